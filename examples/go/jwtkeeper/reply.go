package jwtkeeper

/*
#include <jwtkeeper.h>

typedef const char *(*shower)(const jwtkeeper_reply *, size_t *);
static const char *show(shower of, const jwtkeeper_reply *reply, size_t *length) { return of(reply, length); }
*/
import "C"

import (
	"errors"
	"unsafe"
)

// ErrClosed is the error of every call of a client that was closed, or that New did not make.
var ErrClosed = errors.New("jwtkeeper: the client is closed")

// errNoSession is the error of a request that Protect did not let through.
var errNoSession = errors.New("jwtkeeper: no session: the handler is not behind Protect")

// Error is a call that was not answered. It says nothing of the token that was asked about.
type Error struct {
	Code          int
	Name, Message string
	cause         error
}

func (err *Error) Error() string { return err.Name + ": " + err.Message }

// Unwrap returns context.DeadlineExceeded where a context ended the call.
func (err *Error) Unwrap() error { return err.cause }

// Temporary returns true if another try may be answered: the daemon is unreachable, slow, stopping, or its store is
// unavailable.
func (err *Error) Temporary() bool {
	switch err.Code {
	case C.JWTKEEPER_ERROR_UNREACHABLE, C.JWTKEEPER_ERROR_TIMEOUT, C.JWTKEEPER_ERROR_UNAVAILABLE,
		C.JWTKEEPER_ERROR_OVERLOADED, C.JWTKEEPER_ERROR_SHUTTING_DOWN, C.JWTKEEPER_ERROR_CLOCK_BEHIND:
		return true
	}
	return false
}

var (
	messageOf       = C.shower(C.jwtkeeper_reply_message)
	tokenOf         = C.shower(C.jwtkeeper_reply_token)
	jtiOf           = C.shower(C.jwtkeeper_reply_jti)
	authorizationOf = C.shower(C.jwtkeeper_reply_authorization)
	claimsOf        = C.shower(C.jwtkeeper_reply_claims)
	setCookieOf     = C.shower(C.jwtkeeper_reply_set_cookie)
	cookieValueOf   = C.shower(C.jwtkeeper_reply_cookie_value)
	presentedOf     = C.shower(C.jwtkeeper_reply_presented)
	oldCookieOf     = C.shower(C.jwtkeeper_reply_presented_cookie)
	challengeOf     = C.shower(C.jwtkeeper_reply_challenge)
)

// show copies a text of a reply; empty where there is none.
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
