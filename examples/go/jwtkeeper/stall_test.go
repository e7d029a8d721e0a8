package jwtkeeper

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
)

// A flood of requests on a stopped daemon ends with each request's context, and costs a bounded number of threads. On a
// busy machine goroutines wait for a processor, too: every tenth request of the flood goes to a handler that only waits
// for its context, and shows how long. Processor time is compared with that of a flood on this handler alone.
func TestStalledDaemon(t *testing.T) {
	requests, slack := 4000, 150*time.Millisecond
	if os.Getenv("JWTKEEPER_PROVE") != "" {
		requests, slack = 20000, 0
	}
	daemon := startDaemon(t)
	client := daemon.client(t, Options{Log: func(string, error) {}})
	minted := token(t, client)
	waits := http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		<-request.Context().Done()
		writer.Header().Set("Retry-After", "1")
		http.Error(writer, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
	})
	protected := client.Protect(http.NotFoundHandler(), nil)
	carryOn := daemon.stop(t)
	highest := countThreads(t)
	_, _, least := flood(t, requests, waits, waits, minted)
	longest, control, used := flood(t, requests, protected, waits, minted)
	most := highest()
	t.Logf("%d requests with 100 ms contexts on a stopped daemon: the longest took %v, with %v of processor time; %v and "+
		"%v where a handler only waits for its context; at most %d threads", requests, longest, used, control, least, most)
	if limit := control*3/2 + slack; longest > limit {
		t.Errorf("a request took %v; the limit is %v", longest, limit)
	}
	if limit := 6 * least; used > limit {
		t.Errorf("%v of processor time; the limit is %v", used, limit)
	}
	if most > defaultCalls+40 {
		t.Errorf("%d threads", most)
	}

	carryOn()
	until(t, "it answers again", func() bool {
		valid, err := client.Validate(context.Background(), minted, "")
		return err == nil && valid
	})
}

// flood sends requests with contexts of 100 ms at once, each on a goroutine, as from connections that are open already;
// every tenth goes to control. All must be answered 503. It returns the longest time of each kind, and the processor
// time of all.
func flood(t *testing.T, requests int, handler, control http.Handler, minted string) (long, short, used time.Duration) {
	// Go's collector runs when the heap has doubled. That of a server with so many connections is not as small as a
	// test's.
	heap := make([]byte, requests*16<<10)
	runtime.GC()
	defer runtime.KeepAlive(heap)
	request := bearing(minted)
	before, cancelled := context.WithCancel(context.Background())
	cancelled()
	times := make([]time.Duration, requests)
	var ready, ended sync.WaitGroup
	gate := make(chan struct{})
	ready.Add(requests)
	ended.Add(requests)
	for number := range times {
		handler := handler
		if number%10 == 0 {
			handler = control
		}
		go func(number int) {
			defer ended.Done()
			// The stack of a connection that has served before has grown already.
			handler.ServeHTTP(httptest.NewRecorder(), request.WithContext(before))
			recorder := httptest.NewRecorder()
			ready.Done()
			<-gate
			begun := time.Now()
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			defer cancel()
			handler.ServeHTTP(recorder, request.WithContext(ctx))
			times[number] = time.Since(begun)
			if recorder.Code != http.StatusServiceUnavailable {
				t.Errorf("a request was answered %d", recorder.Code)
			}
		}(number)
	}
	ready.Wait()
	begun := processorTime(t)
	close(gate)
	ended.Wait()
	used = processorTime(t) - begun
	for number, taken := range times {
		if longest := map[bool]*time.Duration{true: &short, false: &long}[number%10 == 0]; taken > *longest {
			*longest = taken
		}
	}
	return long.Round(time.Millisecond), short.Round(time.Millisecond), used.Round(time.Millisecond)
}

func TestContextEndsACall(t *testing.T) {
	daemon := startDaemon(t)
	client := daemon.client(t, Options{Deadline: patience})
	minted := token(t, client)
	defer daemon.stop(t)()
	begun := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err := client.Validate(ctx, minted, "")
	var timeout *Error
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &timeout) || timeout.Code != 301 || !timeout.Temporary() {
		t.Errorf("%v", err)
	}

	ctx, cancel = context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := client.Logout(ctx, httptest.NewRecorder(), &Session{Token: minted}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	// Already over: the daemon is not asked.
	if _, err := client.Issue(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if taken := time.Since(begun); taken > patience/4 {
		t.Errorf("they took %v", taken)
	}
}

// A call that its caller left ends in C soon after the context, not by the client's long deadline.
func TestPermitsComeBackSoonAfterTheContexts(t *testing.T) {
	daemon := startDaemon(t)
	client := daemon.client(t, Options{Deadline: 10 * patience, MaxCalls: 4})
	minted := token(t, client)
	defer daemon.stop(t)()
	var asked sync.WaitGroup
	for caller := 0; caller < 8; caller++ {
		asked.Add(1)
		go func() {
			defer asked.Done()
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			defer cancel()
			if _, err := client.Validate(ctx, minted, ""); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
		}()
	}
	asked.Wait()
	until(t, "all permits are back", func() bool { return len(client.core.permits) == 0 })
}

// Calls share their connections, whatever time their contexts leave them.
func TestMixedDeadlinesShareConnections(t *testing.T) {
	const calls = 4
	daemon := startDaemon(t)
	client := daemon.client(t, Options{MaxCalls: calls})
	minted := token(t, client)
	before := sockets(t) - 1
	var callers sync.WaitGroup
	for caller := 0; caller < 4*calls; caller++ {
		callers.Add(1)
		go func(caller int) {
			defer callers.Done()
			for round := 0; round < 40; round++ {
				ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second>>((caller+round)%12))
				// A call of a millisecond may end with its context.
				_, _ = client.Validate(ctx, minted, "")
				cancel()
			}
		}(caller)
	}
	callers.Wait()
	until(t, "all permits are back", func() bool { return len(client.core.permits) == 0 })
	if opened := sockets(t) - before; opened > calls {
		t.Errorf("%d connections", opened)
	}
}

// The cookie of a session is that of the realm, whichever handle authenticates the request.
func TestAnUnrelatedCookieIsNotTheSessions(t *testing.T) {
	daemon := startDaemon(t)
	header := bearing(token(t, daemon.client(t, Options{}))).Header
	header.Set("Cookie", "theme=dark; other=1")
	for round := 0; round < 20; round++ {
		client := daemon.client(t, Options{})
		var callers sync.WaitGroup
		for caller := 0; caller < 8; caller++ {
			callers.Add(1)
			go func(caller int) {
				defer callers.Done()
				ctx, cancel := context.WithTimeout(context.Background(), 16*time.Second>>(caller%4))
				defer cancel()
				outcome := client.Authenticate(ctx, header, nil)
				if outcome.Session == nil || outcome.Session.Cookie != "" {
					t.Errorf("%v, %v: %+v", outcome, outcome.Err, outcome.Session != nil)
				}
			}(caller)
		}
		callers.Wait()
	}
}

// Without a context's end the client's deadline holds, with the wait for a permit.
func TestTheDeadlineIncludesTheWaitForAPermit(t *testing.T) {
	daemon := startDaemon(t)
	client := daemon.client(t, Options{Deadline: 400 * time.Millisecond, MaxCalls: 1})
	minted := token(t, client)
	defer daemon.stop(t)()
	var asked sync.WaitGroup
	begun := time.Now()
	for caller := 0; caller < 20; caller++ {
		asked.Add(1)
		go func() {
			defer asked.Done()
			var timeout *Error
			if _, err := client.Validate(context.TODO(), minted, ""); !errors.As(err, &timeout) || timeout.Code != 301 {
				t.Errorf("%v", err)
			}
		}()
	}
	asked.Wait()
	// One after the other they would take 8 seconds.
	if taken := time.Since(begun); taken > 4*time.Second {
		t.Errorf("they took %v", taken)
	}
}
