package jwtkeeper

import (
	"context"
	"fmt"
	"io"
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

	const own = "public, max-age=60"
	handlers := map[string]func(http.ResponseWriter){
		"nothing":     func(http.ResponseWriter) {},
		"WriteHeader": func(writer http.ResponseWriter) { writer.WriteHeader(http.StatusAccepted) },
		"Write":       func(writer http.ResponseWriter) { _, _ = writer.Write([]byte("body")) },
		"io.Copy":     func(writer http.ResponseWriter) { _, _ = io.Copy(writer, strings.NewReader("body")) },
		"Flush":       func(writer http.ResponseWriter) { writer.(http.Flusher).Flush() },
	}
	for name, write := range handlers {
		for _, rotates := range []bool{true, false} {
			handler := func(writer http.ResponseWriter, request *http.Request) {
				writer.Header().Set("Cache-Control", own)
				if rotates {
					writer.Header().Set("Authorization", "Bearer successor")
				}
				write(writer)
			}
			// A server sends headers that a recorder would show even if they came too late.
			server := httptest.NewServer(client.Protect(http.HandlerFunc(handler), nil))
			request, _ := http.NewRequest("GET", server.URL, nil)
			request.Header = bearing(minted.Token).Header
			response, err := http.DefaultClient.Do(request)
			server.Close()
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if expected := map[bool]string{true: "no-store", false: own}; response.Header.Get("Cache-Control") != expected[rotates] {
				t.Errorf("%s, with a token %v: %v", name, rotates, response.Header)
			}
		}
	}
}

// wrapper is other middleware's, between the server and Protect.
type wrapper struct{ http.ResponseWriter }

func (writer wrapper) Unwrap() http.ResponseWriter { return writer.ResponseWriter }

func TestAHandlerBehindProtectCanHijack(t *testing.T) {
	client := startDaemon(t).client(t, Options{})
	minted := token(t, client)
	protected := client.Protect(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		if inner := writer.(interface{ Unwrap() http.ResponseWriter }).Unwrap(); inner == nil {
			t.Error("http.NewResponseController finds no writer")
		}
		connection, _, err := writer.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(connection, "HTTP/1.1 418 own\r\nConnection: close\r\n\r\n")
		_ = connection.Close()
	}), nil)
	server := httptest.NewServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		protected.ServeHTTP(wrapper{writer}, request)
	}))
	defer server.Close()
	request, _ := http.NewRequest("GET", server.URL, nil)
	request.Header = bearing(minted).Header
	response, err := http.DefaultClient.Do(request)
	if err != nil || response.StatusCode != http.StatusTeapot {
		t.Error(response, err)
	}
	if _, _, err := (responseWriter{httptest.NewRecorder()}).Hijack(); err != http.ErrNotSupported {
		t.Error(err)
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

// Under load failures and answers alternate, and so do errors.
func TestAnAlternatingOutageIsLoggedOnce(t *testing.T) {
	var lines []string
	var now time.Time
	report := &reporter{
		log: func(message string, err error) { lines = append(lines, fmt.Sprintf("%s: %v", message, err)) },
		now: func() time.Time { return now },
	}
	valid := &Outcome{Status: 200, Session: &Session{}}
	failed := func(status, code int) *Outcome {
		return refusal(status, &Error{Code: code, Name: fmt.Sprint("error ", code)})
	}
	postponed := &Outcome{Status: 200, Session: &Session{}, Err: &Error{Code: 301, Name: "timeout"}}
	rotated := &Outcome{Status: 200, Session: &Session{}, Header: http.Header{"Authorization": {"Bearer a"}}}
	expect := func(expected ...string) {
		t.Helper()
		if fmt.Sprint(lines) != fmt.Sprint(expected) {
			t.Errorf("%q", lines)
		}
		lines = nil
	}
	for round := 0; round < 100; round++ {
		for _, outcome := range []*Outcome{failed(503, 301), valid, failed(503, 302), failed(500, 203)} {
			now = now.Add(200 * time.Millisecond)
			report.tell(outcome)
		}
	}
	down := "jwtkeeperd does not answer; requests get 503 until it does: "
	expect(down+"error 301: ", down+"error 302: ", "requests get 500: error 203: ")
	// These requests do not reach the daemon.
	now = now.Add(time.Minute)
	report.tell(&Outcome{Status: 401})
	report.tell(&Outcome{Status: 401, Reason: "malformed"})
	expect()
	report.tell(valid)
	report.tell(valid)
	expect("jwtkeeperd answers again: 300 requests failed within 1m19.8s: <nil>")
	// A later outage is another one.
	report.tell(failed(503, 301))
	expect(down + "error 301: ")

	now = now.Add(time.Second)
	report.tell(postponed)
	report.tell(rotated)
	report.tell(postponed)
	expect("jwtkeeperd answers again: 1 requests failed within 0s: <nil>", "rotation is put off: timeout: ")
	now = now.Add(time.Second)
	report.tell(valid)
	expect()
	report.tell(rotated)
	expect("tokens are rotated again: 2 requests failed within 0s: <nil>")
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
