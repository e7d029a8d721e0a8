package jwtkeeper

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestMisuseIsAnError(t *testing.T) {
	daemon := startDaemon(t)
	closed := daemon.client(t, Options{})
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	var missing *Client
	for name, client := range map[string]*Client{"closed": closed, "zero": {}, "nil": missing} {
		_, validated := client.Validate(context.Background(), "a.b.c", "")
		_, issued := client.Issue(context.Background(), nil)
		left := client.Logout(context.Background(), httptest.NewRecorder(), &Session{Token: "a.b.c"})
		for _, err := range []error{validated, issued, left, client.Close()} {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("%s: %v", name, err)
			}
		}
		recorder := httptest.NewRecorder()
		if client == closed {
			client.report.log = func(string, error) {}
		}
		client.Protect(nil, nil).ServeHTTP(recorder, httptest.NewRequest("GET", "/", nil))
		if recorder.Code != http.StatusInternalServerError {
			t.Errorf("%s: %d", name, recorder.Code)
		}
	}
}

// A handler that Protect does not serve has no session.
func TestAMissingSessionIsAnError(t *testing.T) {
	client := startDaemon(t).client(t, Options{})
	session := Of(httptest.NewRequest("GET", "/", nil))
	left := client.Logout(context.Background(), httptest.NewRecorder(), session)
	for _, err := range []error{left, session.Decode(&struct{}{})} {
		if err == nil || !strings.Contains(err.Error(), "no session") {
			t.Error(err)
		}
	}
}

// Calls under way finish while the client is closed.
func TestCloseWhileCallsAreUnderWay(t *testing.T) {
	daemon := startDaemon(t)
	for round := 0; round < 20; round++ {
		client := daemon.client(t, Options{})
		begun := make(chan struct{}, 8)
		var callers sync.WaitGroup
		for caller := 0; caller < cap(begun); caller++ {
			callers.Add(1)
			go func() {
				defer callers.Done()
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				for first := true; ; first = false {
					if _, err := client.Validate(ctx, "a.b.c", ""); errors.Is(err, ErrClosed) {
						return
					} else if err != nil {
						t.Error(err)
						return
					}
					if first {
						begun <- struct{}{}
					}
				}
			}()
		}
		<-begun
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		callers.Wait()
	}
}

func TestWrongValuesAreRefusedByName(t *testing.T) {
	for name, options := range map[string]Options{
		"Deadline": {Deadline: -time.Second},
		"MaxCalls": {MaxCalls: -1},
		"Socket":   {Socket: strings.Repeat("a", 200)},
		"Realm":    {Realm: "\xff"},
	} {
		client, err := New(options)
		if err == nil || client != nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(Options{MaxCalls: math.MaxInt}); err == nil {
		t.Error("any number of threads")
	}
	daemon := startDaemon(t)
	client := daemon.client(t, Options{Deadline: math.MaxInt64})
	for _, ttl := range []time.Duration{-1, -time.Second, 1500 * time.Millisecond, math.MinInt64} {
		if _, err := client.IssueFor(context.Background(), nil, ttl); err == nil || !strings.Contains(err.Error(), "ttl") {
			t.Errorf("%v: %v", ttl, err)
		}
	}
	if minted, err := client.IssueFor(context.Background(), nil, time.Minute); err != nil || minted.Token == "" {
		t.Error(err)
	}
	cancellable, cancel := context.WithCancel(context.Background())
	defer cancel()
	for round := 0; round < 100; round++ {
		if _, err := client.Issue(cancellable, nil); err != nil {
			t.Fatalf("call %d with the longest deadline: %v", round, err)
		}
	}
	if _, err := daemon.client(t, Options{Deadline: time.Nanosecond}).Issue(context.Background(), nil); err == nil {
		t.Log("answered within a millisecond")
	} else if strings.Contains(err.Error(), "argument") {
		t.Error(err)
	}
}

func TestOddTokensAreNotValid(t *testing.T) {
	client := startDaemon(t).client(t, Options{})
	for _, token := range []string{"", "\x00", "42", "\xed\xa0\x80", strings.Repeat("a", 200_000)} {
		if valid, err := client.Validate(context.Background(), token, ""); valid || err != nil {
			t.Errorf("%.10q: %v, %v", token, valid, err)
		}
	}
}
