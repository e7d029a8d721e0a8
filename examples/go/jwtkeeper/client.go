// Package jwtkeeper is a client of jwtkeeperd over libjwtkeeper: issue, validate, revoke, and the session flow for
// net/http. Copy it, and add the calls of jwtkeeper.h that you need.
package jwtkeeper

/*
#cgo LDFLAGS: -ljwtkeeper
#include <jwtkeeper.h>

typedef const char *(*shower)(const jwtkeeper_reply *, size_t *);
static const char *show(shower of, const jwtkeeper_reply *reply, size_t *length) { return of(reply, length); }
*/
import "C"

import (
	"log"
	"net/http"
	"time"
	"unsafe"
)

// Options say how the daemon is reached. What is zero is as libjwtkeeper has it: the socket of JWTKEEPER_SOCKET, the
// realm "default", 5 seconds for a call in all.
type Options struct {
	Socket, Realm string
	Deadline      time.Duration
	// ServerUID is the uid that the daemon must run as. JWTKEEPER_SERVER_UID names one, too; without either it is that of
	// root, of this process, or of the owner of the socket's directory.
	ServerUID *uint32
	// Log hears of requests that could not be judged; log.Print unless set.
	Log func(error)
}

// Client may be used by any number of goroutines at once.
type Client struct {
	handle *C.jwtkeeper_client
	log    func(error)
}

// Error is a call that was not answered. It says nothing of the token that was asked about.
type Error struct {
	Code          int
	Name, Message string
}

func (err *Error) Error() string { return err.Name + ": " + err.Message }

// New makes a client, which connects when it is first used.
func New(options Options) (*Client, error) {
	config := C.jwtkeeper_config_new()
	defer C.jwtkeeper_config_free(config)
	if options.Socket != "" {
		path, length := text(options.Socket)
		if code := C.jwtkeeper_config_set_socket(config, path, length); code != 0 {
			return nil, errorOf(code, nil)
		}
	}
	if options.Realm != "" {
		realm, length := text(options.Realm)
		if code := C.jwtkeeper_config_set_realm(config, realm, length); code != 0 {
			return nil, errorOf(code, nil)
		}
	}
	if options.Deadline != 0 {
		if code := C.jwtkeeper_config_set_deadline_ms(config, C.uint64_t(options.Deadline.Milliseconds())); code != 0 {
			return nil, errorOf(code, nil)
		}
	}
	if options.ServerUID != nil {
		if code := C.jwtkeeper_config_set_server_uid(config, C.uint32_t(*options.ServerUID)); code != 0 {
			return nil, errorOf(code, nil)
		}
	}
	client := &Client{log: options.Log}
	if client.log == nil {
		client.log = func(err error) { log.Print(err) }
	}
	if code := C.jwtkeeper_client_new(config, &client.handle); code != 0 {
		return nil, errorOf(code, nil)
	}
	return client, nil
}

// Close gives the client back, once no call of it is under way.
func (client *Client) Close() { C.jwtkeeper_client_free(client.handle) }

// Minted is a token, new or a successor.
type Minted struct {
	Token, Jti        string
	authorization     string
	setCookie, cookie string
}

// Write sends it to the browser: the Authorization header, and the lock cookie where the realm locks.
func (minted *Minted) Write(writer http.ResponseWriter) {
	writer.Header().Set("Authorization", minted.authorization)
	setCookie(writer.Header(), minted.setCookie)
}

// Issue mints a token with these claims, a JSON object.
func (client *Client) Issue(claims []byte) (*Minted, error) {
	reply := C.jwtkeeper_reply_new()
	defer C.jwtkeeper_reply_free(reply)
	given, length := text(string(claims))
	if code := C.jwtkeeper_issue(client.handle, given, length, C.JWTKEEPER_REALM_EXPIRY, reply); code != 0 {
		return nil, errorOf(code, reply)
	}
	return mintedOf(reply), nil
}

// Validate says whether a token is valid now.
func (client *Client) Validate(token, cookie string) (bool, error) {
	reply := C.jwtkeeper_reply_new()
	defer C.jwtkeeper_reply_free(reply)
	presented, length := given(token)
	secret, secretLength := text(cookie)
	if code := C.jwtkeeper_validate(client.handle, presented, length, secret, secretLength, reply); code != 0 {
		return false, errorOf(code, reply)
	}
	return C.jwtkeeper_reply_valid(reply) == 1, nil
}

// Logout revokes a session's token with all its session, and clears what the browser has.
func (client *Client) Logout(writer http.ResponseWriter, session *Session) error {
	reply := C.jwtkeeper_reply_new()
	defer C.jwtkeeper_reply_free(reply)
	token, length := given(session.Token)
	cookie, cookieLength := text(session.Cookie)
	if code := C.jwtkeeper_revoke_token(client.handle, token, length, cookie, cookieLength, reply); code != 0 {
		return errorOf(code, reply)
	}
	writer.Header().Del("Authorization")
	if code := C.jwtkeeper_cookie_clear(client.handle, reply); code != 0 {
		return errorOf(code, reply)
	}
	setCookie(writer.Header(), show(reply, setCookieOf))
	return nil
}

// Version is libjwtkeeper's.
func Version() string { return C.GoString(C.jwtkeeper_version()) }

var (
	messageOf       = C.shower(C.jwtkeeper_reply_message)
	tokenOf         = C.shower(C.jwtkeeper_reply_token)
	jtiOf           = C.shower(C.jwtkeeper_reply_jti)
	authorizationOf = C.shower(C.jwtkeeper_reply_authorization)
	claimsOf        = C.shower(C.jwtkeeper_reply_claims)
	setCookieOf     = C.shower(C.jwtkeeper_reply_set_cookie)
	cookieValueOf   = C.shower(C.jwtkeeper_reply_cookie_value)
	presentedOf     = C.shower(C.jwtkeeper_reply_presented)
	challengeOf     = C.shower(C.jwtkeeper_reply_challenge)
)

// show copies what a reply shows; empty where there is none.
func show(reply *C.jwtkeeper_reply, of C.shower) string {
	var length C.size_t
	shown := C.show(of, reply, &length)
	return C.GoStringN(shown, C.int(length))
}

func mintedOf(reply *C.jwtkeeper_reply) *Minted {
	return &Minted{
		Token:         show(reply, tokenOf),
		Jti:           show(reply, jtiOf),
		authorization: show(reply, authorizationOf),
		setCookie:     show(reply, setCookieOf),
		cookie:        show(reply, cookieValueOf),
	}
}

func errorOf(code C.int32_t, reply *C.jwtkeeper_reply) error {
	message := show(reply, messageOf)
	if message == "" {
		message = C.GoString(C.jwtkeeper_code_meaning(code))
	}
	return &Error{Code: int(code), Name: C.GoString(C.jwtkeeper_code_name(code)), Message: message}
}

// text is a string for C while the call lasts; an empty one is none.
func text(value string) (*C.char, C.size_t) {
	if value == "" {
		return nil, 0
	}
	return given(value)
}

// given is a string for C that may be empty.
func given(value string) (*C.char, C.size_t) {
	bytes := append([]byte(value), 0)
	return (*C.char)(unsafe.Pointer(&bytes[0])), C.size_t(len(value))
}

// String keeps the token and the cookie secret out of logs.
func (minted *Minted) String() string { return "a token with the jti " + minted.Jti }

// GoString does the same for %#v.
func (minted *Minted) GoString() string { return minted.String() }
