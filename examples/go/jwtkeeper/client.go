// Package jwtkeeper is a client of jwtkeeperd over libjwtkeeper: issue, validate, revoke, and the session flow for
// net/http. Copy it, and add the calls of jwtkeeper.h that you need.
package jwtkeeper

/*
#cgo LDFLAGS: -ljwtkeeper
#include <jwtkeeper.h>
*/
import "C"

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"time"
)

// Options describe how the client reaches the daemon. Zero values are libjwtkeeper's defaults: the socket of
// JWTKEEPER_SOCKET, the realm "default", 5 seconds for a call.
type Options struct {
	Socket, Realm string
	// Deadline limits a call, with its wait for one of MaxCalls; a year at most. A context may end the call earlier.
	Deadline time.Duration
	// MaxCalls limits the calls under way at once, 64 unless set. Each holds an OS thread; further calls wait.
	MaxCalls int
	// ServerUID is the uid that the daemon must run as. JWTKEEPER_SERVER_UID names one, too; without either it is that of
	// root, of this process, or of the owner of the socket's directory.
	ServerUID *uint32
	// Log receives what Protect reports: an outage once at its start, once for each other code, and once at its end, where
	// err is nil. It writes to the package log unless set. Neither argument ever holds a token.
	Log func(message string, err error)
	// Refuse writes the status and body of a request that Protect refuses, after its headers are set. Unless set, the
	// body is the status text.
	Refuse func(writer http.ResponseWriter, request *http.Request, outcome *Outcome)
}

// Client may be used by any number of goroutines at once.
type Client struct {
	core   *core
	report *reporter
	refuse func(http.ResponseWriter, *http.Request, *Outcome)
}

// New makes a client, which connects when it is first used.
func New(options Options) (*Client, error) {
	if options.Deadline < 0 {
		return nil, fmt.Errorf("jwtkeeper: Options.Deadline is %v; it must not be negative", options.Deadline)
	}
	if options.MaxCalls < 0 || options.MaxCalls > mostCalls {
		return nil, fmt.Errorf("jwtkeeper: Options.MaxCalls is %d; it must be between 0 and %d", options.MaxCalls, mostCalls)
	}
	config := C.jwtkeeper_config_new()
	defer C.jwtkeeper_config_free(config)
	if err := configure(config, options); err != nil {
		return nil, err
	}
	core, err := newCore(config, options.Deadline, options.MaxCalls)
	if err != nil {
		return nil, err
	}
	client := &Client{core: core, report: &reporter{log: options.Log, now: time.Now}, refuse: options.Refuse}
	if client.report.log == nil {
		client.report.log = logTo(log.Print)
	}
	return client, nil
}

func configure(config *C.jwtkeeper_config, options Options) error {
	var fault error
	set := func(name string, code C.int32_t) {
		if fault == nil && code != 0 {
			fault = fmt.Errorf("jwtkeeper: Options.%s: %w", name, errorOf(code, nil))
		}
	}
	if options.Socket != "" {
		path, length := text(options.Socket)
		set("Socket", C.jwtkeeper_config_set_socket(config, path, length))
	}
	if options.Realm != "" {
		realm, length := text(options.Realm)
		set("Realm", C.jwtkeeper_config_set_realm(config, realm, length))
	}
	if options.ServerUID != nil {
		set("ServerUID", C.jwtkeeper_config_set_server_uid(config, C.uint32_t(*options.ServerUID)))
	}
	return fault
}

// Close ends the client: later calls return ErrClosed, as does a second Close. Calls under way may finish.
func (client *Client) Close() error {
	if client == nil {
		return ErrClosed
	}
	return client.core.close()
}

// Minted is a token, new or a successor.
type Minted struct {
	Token, Jti        string
	authorization     string
	setCookie, cookie string
}

// Write sends it to the browser: the Authorization header, and the lock cookie where the realm locks. A response with
// a token must not be stored by caches.
func (minted *Minted) Write(writer http.ResponseWriter) { minted.writeTo(writer.Header()) }

func (minted *Minted) writeTo(headers http.Header) {
	headers.Set("Authorization", minted.authorization)
	headers.Set("Cache-Control", "no-store")
	setCookie(headers, minted.setCookie)
}

// Issue mints a token with these claims, a JSON object, for the realm's lifetime.
func (client *Client) Issue(ctx context.Context, claims []byte) (*Minted, error) {
	return client.issue(ctx, claims, C.JWTKEEPER_REALM_EXPIRY)
}

// IssueFor mints a token that lives for ttl, which is in whole seconds.
func (client *Client) IssueFor(ctx context.Context, claims []byte, ttl time.Duration) (*Minted, error) {
	if ttl < 0 || ttl%time.Second != 0 {
		return nil, fmt.Errorf("jwtkeeper: ttl is %v; it must be whole seconds and not negative", ttl)
	}
	return client.issue(ctx, claims, C.int64_t(ttl/time.Second))
}

func (client *Client) issue(ctx context.Context, claims []byte, ttl C.int64_t) (*Minted, error) {
	given, length := text(string(claims))
	var minted *Minted
	err := client.call(ctx, func(handle *C.jwtkeeper_client, reply *C.jwtkeeper_reply) C.int32_t {
		return C.jwtkeeper_issue(handle, given, length, ttl, reply)
	}, func(reply *C.jwtkeeper_reply) { minted = mintedOf(reply) })
	return minted, err
}

// Validate returns true if the token is valid now. Any string is a token to judge.
func (client *Client) Validate(ctx context.Context, token, cookie string) (bool, error) {
	presented, length := given(token)
	secret, secretLength := text(cookie)
	valid := false
	err := client.call(ctx, func(handle *C.jwtkeeper_client, reply *C.jwtkeeper_reply) C.int32_t {
		return C.jwtkeeper_validate(handle, presented, length, secret, secretLength, reply)
	}, func(reply *C.jwtkeeper_reply) { valid = C.jwtkeeper_reply_valid(reply) == 1 })
	return valid, err
}

// Logout revokes a session's token with its whole session, and clears what the browser has.
func (client *Client) Logout(ctx context.Context, writer http.ResponseWriter, session *Session) error {
	if session == nil {
		return errNoSession
	}
	token, length := given(session.Token)
	cookie, cookieLength := text(session.Cookie)
	none := func(*C.jwtkeeper_reply) {}
	err := client.call(ctx, func(handle *C.jwtkeeper_client, reply *C.jwtkeeper_reply) C.int32_t {
		return C.jwtkeeper_revoke_token(handle, token, length, cookie, cookieLength, reply)
	}, none)
	if err != nil {
		return err
	}
	writer.Header().Del("Authorization")
	return client.call(ctx, func(handle *C.jwtkeeper_client, reply *C.jwtkeeper_reply) C.int32_t {
		return C.jwtkeeper_cookie_clear(handle, reply)
	}, func(reply *C.jwtkeeper_reply) { setCookie(writer.Header(), show(reply, setCookieOf)) })
}

// Version returns the version of libjwtkeeper.
func Version() string { return C.GoString(C.jwtkeeper_version()) }

// String keeps the token and the cookie secret out of logs.
func (minted *Minted) String() string { return "a token with the jti " + minted.Jti }

// GoString does the same for %#v.
func (minted *Minted) GoString() string { return minted.String() }
