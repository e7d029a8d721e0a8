package jwtkeeper

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

func bearing(token string) *http.Request {
	request := httptest.NewRequest("GET", "/", nil)
	request.Header.Set("Authorization", "Bearer "+token)
	return request
}

func TestAuthenticateIsAPrimitive(t *testing.T) {
	daemon := startDaemon(t)
	client := daemon.client(t, Options{})
	minted, err := client.Issue(context.Background(), []byte(`{"sub":"42"}`))
	if err != nil {
		t.Fatal(err)
	}
	outcome := client.Authenticate(context.Background(), bearing(minted.Token).Header, nil)
	var claims struct{ Sub string }
	if err := outcome.Session.Decode(&claims); err != nil || claims.Sub != "42" {
		t.Error(claims, err)
	}
	if outcome.Status != 200 || outcome.Err != nil || len(outcome.Header) != 0 || outcome.Session.Token != minted.Token {
		t.Errorf("%+v", outcome.Header)
	}
	if shown := fmt.Sprintf("%v %+v %#v", outcome, outcome, outcome); strings.Contains(shown, minted.Token) {
		t.Error(shown)
	}
	outcome = client.Authenticate(context.Background(), bearing("a.b.c").Header, nil)
	if outcome.Status != 401 || outcome.Reason != "malformed" || outcome.Header.Get("WWW-Authenticate") == "" {
		t.Error(outcome.Status, outcome.Reason)
	}
	outcome = client.Authenticate(context.Background(), http.Header{}, nil)
	if outcome.Status != 401 || outcome.Reason != "" || outcome.Session != nil {
		t.Error(outcome.Status, outcome.Reason)
	}
}

func TestAResponseWithATokenIsNotStored(t *testing.T) {
	client := startDaemon(t).client(t, Options{})
	minted, err := client.Issue(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	minted.Write(recorder)
	if recorder.Header().Get("Cache-Control") != "no-store" {
		t.Error(recorder.Header())
	}
}

func TestARefusalIsTheAppsToWrite(t *testing.T) {
	client := startDaemon(t).client(t, Options{
		Refuse: func(writer http.ResponseWriter, request *http.Request, outcome *Outcome) {
			writer.Header().Set("Content-Type", "application/json")
			writer.WriteHeader(outcome.Status)
			fmt.Fprintf(writer, `{"reason":%q}`, outcome.Reason)
		},
	})
	recorder := httptest.NewRecorder()
	client.Protect(nil, nil).ServeHTTP(recorder, bearing("a.b.c"))
	if recorder.Code != 401 || recorder.Body.String() != `{"reason":"malformed"}` {
		t.Error(recorder.Code, recorder.Body)
	}
	if recorder.Header().Get("WWW-Authenticate") == "" {
		t.Error("the challenge is missing")
	}
}

func TestAnOutageIsLoggedOnceAtEachEnd(t *testing.T) {
	daemon := startDaemon(t)
	var lines []string
	client := daemon.client(t, Options{Deadline: 50 * time.Millisecond, Log: func(message string, err error) {
		lines = append(lines, fmt.Sprintf("%s: %v", message, err))
	}})
	minted := token(t, daemon.client(t, Options{}))
	protected := client.Protect(http.NotFoundHandler(), nil)
	ask := func() int {
		recorder := httptest.NewRecorder()
		protected.ServeHTTP(recorder, bearing(minted))
		return recorder.Code
	}
	carryOn := daemon.stop(t)
	for request := 0; request < 5; request++ {
		if status := ask(); status != 503 {
			t.Errorf("%d", status)
		}
	}
	if len(lines) != 1 || !strings.Contains(lines[0], "does not answer") || !strings.Contains(lines[0], "timeout") {
		t.Errorf("%q", lines)
	}
	carryOn()
	until(t, "the end is logged", func() bool { ask(); return len(lines) > 1 })
	if len(lines) != 2 || !strings.Contains(lines[1], "answers again") || strings.Contains(strings.Join(lines, ""), minted) {
		t.Errorf("%q", lines)
	}
}

// The second call of a rotation uses the reply of the first, whose goroutine may still be ending.
func TestManyRotationsAtOnce(t *testing.T) {
	daemon := startDaemon(t)
	client := daemon.client(t, Options{})
	ctl := exec.Command(os.Getenv("JWTKEEPERCTL"), "--socket", daemon.socket, "flag", "--subject", "42")
	var tokens []string
	for number := 0; number < 200; number++ {
		tokens = append(tokens, token(t, client))
	}
	if output, err := ctl.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	var callers sync.WaitGroup
	for _, old := range tokens {
		callers.Add(1)
		go func(old string) {
			defer callers.Done()
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			outcome := client.Authenticate(ctx, bearing(old).Header, nil)
			if outcome.Status != 200 || outcome.Session.Token == old || outcome.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%d, %v", outcome.Status, outcome.Err)
			}
		}(old)
	}
	callers.Wait()
}
