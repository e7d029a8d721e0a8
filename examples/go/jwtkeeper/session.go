package jwtkeeper

/*
#cgo LDFLAGS: -ljwtkeeper
#include <jwtkeeper.h>
*/
import "C"

import (
	"context"
	"net/http"
	"strings"
)

// Session is what Protect hands to a request.
type Session struct {
	// Claims is the token's claims, a JSON object; after a rotation its successor's.
	Claims []byte
	// Token and Cookie are what the browser has from this response on: for Revoke.
	Token, Cookie string
}

// String keeps all three out of logs.
func (session *Session) String() string { return "a session" }

// GoString does the same for %#v.
func (session *Session) GoString() string { return session.String() }

type key struct{}

// Of is the session of a request that Protect let through.
func Of(request *http.Request) *Session {
	session, _ := request.Context().Value(key{}).(*Session)
	return session
}

// Regenerate gives new claims for a token whose rotation is due, a JSON object; nil carries the old ones over.
type Regenerate func(request *http.Request, old []byte) []byte

// Protect lets through who has a valid token, and rotates tokens that are due. Who has none is answered 401, and
// whoever cannot be judged now 503.
func (client *Client) Protect(next http.Handler, regenerate Regenerate) http.Handler {
	return http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		session, status := client.authenticate(writer, request, regenerate)
		if session == nil {
			http.Error(writer, http.StatusText(status), status)
			return
		}
		next.ServeHTTP(writer, request.WithContext(context.WithValue(request.Context(), key{}, session)))
	})
}

func (client *Client) authenticate(writer http.ResponseWriter, request *http.Request, regenerate Regenerate) (*Session, int) {
	reply := C.jwtkeeper_reply_new()
	defer C.jwtkeeper_reply_free(reply)
	authorization := request.Header.Get("Authorization")
	session := &Session{Cookie: client.cookieOf(request)}
	header, headerLength := text(authorization)
	cookie, cookieLength := text(session.Cookie)
	code := C.jwtkeeper_session_authenticate(client.handle, header, headerLength, cookie, cookieLength, reply)
	if code == 0 && C.jwtkeeper_reply_cause(reply) != 0 {
		var claims []byte
		if regenerate != nil {
			claims = regenerate(request, []byte(show(reply, claimsOf)))
		}
		new, length := text(string(claims))
		code = C.jwtkeeper_session_rotate(client.handle, new, length, reply)
	}
	status := int(C.jwtkeeper_reply_status(reply))
	headers := writer.Header()
	switch status {
	case http.StatusOK:
		session.Claims, session.Token = []byte(show(reply, claimsOf)), show(reply, presentedOf)
		if minted := mintedOf(reply); minted.Token != "" {
			session.Token, session.Cookie = minted.Token, minted.cookie
			minted.Write(writer)
		}
		return session, status
	case http.StatusUnauthorized:
		headers.Del("Authorization")
		headers.Set("WWW-Authenticate", show(reply, challengeOf))
		setCookie(headers, show(reply, setCookieOf))
	case http.StatusServiceUnavailable:
		headers.Set("Retry-After", "1")
	}
	if code != 0 {
		client.log(errorOf(code, reply))
	}
	return nil, status
}

func (client *Client) cookieOf(request *http.Request) string {
	// A browser sends one such header; HTTP/2 may split it.
	header, length := text(strings.Join(request.Header["Cookie"], "; "))
	var valueLength C.size_t
	value := C.jwtkeeper_cookie_find(client.handle, header, length, &valueLength)
	return C.GoStringN(value, C.int(valueLength))
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
