package jwtkeeper

/*
#include <jwtkeeper.h>
*/
import "C"

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// Session is what Protect hands to a request.
type Session struct {
	// Claims is the token's claims, a JSON object; after a rotation its successor's.
	Claims []byte
	// Token and Cookie are what the browser has from this response on: for Logout.
	Token, Cookie string
}

// Decode parses the claims into a struct or map.
func (session *Session) Decode(claims interface{}) error {
	if session == nil {
		return errNoSession
	}
	return json.Unmarshal(session.Claims, claims)
}

// String keeps all three out of logs.
func (session *Session) String() string { return "a session" }

// GoString does the same for %#v.
func (session *Session) GoString() string { return session.String() }

type key struct{}

// Of returns the session of a request that Protect let through; nil for other requests.
func Of(request *http.Request) *Session {
	session, _ := request.Context().Value(key{}).(*Session)
	return session
}

// Regenerate gives new claims for a token whose rotation is due, a JSON object; nil carries the old ones over.
type Regenerate func(request *http.Request, old []byte) []byte

// Outcome is the result of authenticating a request.
type Outcome struct {
	// Status is 200 (go on), 401 (not authenticated), 503 (not judged now), or 500 (not judged until something is fixed).
	Status int
	// Session is that of status 200.
	Session *Session
	// Reason is why a token is not valid, such as "expired"; empty without a token.
	Reason string
	// Err is why the token could not be judged, or why a rotation that is due is put off.
	Err error
	// Header holds the headers of the response: the successor of a rotation, or those of a refusal.
	Header http.Header
}

// Write puts the outcome's headers into a response, in the place of earlier ones.
func (outcome *Outcome) Write(headers http.Header) {
	if outcome.Status == http.StatusUnauthorized {
		headers.Del("Authorization")
	}
	for name, values := range outcome.Header {
		if name != "Set-Cookie" {
			headers[name] = values
			continue
		}
		for _, line := range values {
			setCookie(headers, line)
		}
	}
}

// String keeps the session and the headers out of logs.
func (outcome *Outcome) String() string { return http.StatusText(outcome.Status) }

// GoString does the same for %#v.
func (outcome *Outcome) GoString() string { return outcome.String() }

// Protect lets through requests with a valid token, and rotates tokens that are due. Requests without one are answered
// 401; those that cannot be judged now 503. A response with a token has `Cache-Control: no-store`, whatever next sets.
func (client *Client) Protect(next http.Handler, regenerate Regenerate) http.Handler {
	return http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		var renew func(old []byte) []byte
		if regenerate != nil {
			renew = func(old []byte) []byte { return regenerate(request, old) }
		}
		outcome := client.Authenticate(request.Context(), request.Header, renew)
		outcome.Write(writer.Header())
		// A request that its browser gave up says nothing of the daemon.
		if client != nil && client.report != nil && !errors.Is(outcome.Err, context.Canceled) {
			client.report.tell(outcome)
		}
		switch {
		case outcome.Session != nil:
			session := context.WithValue(request.Context(), key{}, outcome.Session)
			sealed := responseWriter{writer}
			next.ServeHTTP(sealed, request.WithContext(session))
			sealed.seal()
		case client != nil && client.refuse != nil:
			client.refuse(writer, request, outcome)
		default:
			http.Error(writer, http.StatusText(outcome.Status), outcome.Status)
		}
	})
}

// Authenticate judges a request by its headers, and rotates a token that is due. It writes nothing and logs nothing:
// Protect is built on it, and so can middleware of any framework be.
func (client *Client) Authenticate(ctx context.Context, header http.Header, regenerate func(old []byte) []byte) *Outcome {
	answer := &answer{}
	defer answer.free()
	presented := header.Get("Authorization")
	// A browser sends one such header; HTTP/2 may split it.
	cookies := strings.Join(header["Cookie"], "; ")
	code, err := client.ask(ctx, answer, func(handle *C.jwtkeeper_client, reply *C.jwtkeeper_reply) C.int32_t {
		authorization, length := text(presented)
		secret, secretLength := text(cookies)
		return C.jwtkeeper_session_authenticate(handle, authorization, length, secret, secretLength, reply)
	})
	if err != nil {
		return refusal(statusOf(err), err)
	}
	if code != 0 || C.jwtkeeper_reply_cause(answer.reply) == 0 {
		return outcomeOf(code, answer.reply)
	}
	old := outcomeOf(code, answer.reply)
	var claims []byte
	if regenerate != nil {
		claims = regenerate([]byte(string(old.Session.Claims)))
	}
	renewed, renewedLength := text(string(claims))
	code, err = client.ask(ctx, answer, func(handle *C.jwtkeeper_client, reply *C.jwtkeeper_reply) C.int32_t {
		return C.jwtkeeper_session_rotate(handle, renewed, renewedLength, reply)
	})
	if err != nil {
		old.Err = err
		return old
	}
	return outcomeOf(code, answer.reply)
}

// outcomeOf reads the reply of the session's functions.
func outcomeOf(code C.int32_t, reply *C.jwtkeeper_reply) *Outcome {
	status := int(C.jwtkeeper_reply_status(reply))
	if code != 0 {
		return refusal(status, errorOf(code, reply))
	}
	outcome := &Outcome{Status: status, Header: http.Header{}}
	if status == http.StatusUnauthorized {
		outcome.Header.Set("WWW-Authenticate", show(reply, challengeOf))
		setCookie(outcome.Header, show(reply, setCookieOf))
		if reason := C.jwtkeeper_reply_reason(reply); reason != 0 {
			outcome.Reason = C.GoString(C.jwtkeeper_reason_name(reason))
		}
		return outcome
	}
	outcome.Session = &Session{
		Claims: []byte(show(reply, claimsOf)),
		Token:  show(reply, presentedOf),
		Cookie: show(reply, oldCookieOf),
	}
	if minted := mintedOf(reply); minted.Token != "" {
		outcome.Session.Token, outcome.Session.Cookie = minted.Token, minted.cookie
		minted.writeTo(outcome.Header)
	} else if message := show(reply, messageOf); message != "" {
		outcome.Err = errors.New(message)
	}
	return outcome
}

// refusal is the outcome of a request that could not be judged.
func refusal(status int, err error) *Outcome {
	outcome := &Outcome{Status: status, Err: err, Header: http.Header{}}
	if status == http.StatusServiceUnavailable {
		outcome.Header.Set("Retry-After", "1")
	}
	return outcome
}

// statusOf is the status of a call that was not made, or given up.
func statusOf(err error) int {
	if errors.Is(err, ErrClosed) {
		return http.StatusInternalServerError
	}
	return http.StatusServiceUnavailable
}

// setCookie puts a Set-Cookie header in the place of one that the cookie may have already.
func setCookie(headers http.Header, line string) {
	if line == "" {
		return
	}
	name, _, _ := strings.Cut(line, "=")
	kept := headers["Set-Cookie"][:0:0]
	for _, other := range headers["Set-Cookie"] {
		if !strings.HasPrefix(other, name+"=") {
			kept = append(kept, other)
		}
	}
	headers["Set-Cookie"] = append(kept, line)
}
