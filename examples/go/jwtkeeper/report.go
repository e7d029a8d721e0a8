package jwtkeeper

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// quiet is the time without a failure after which an outage is over. While a daemon is overloaded, failures and answers
// alternate.
const quiet = time.Second

// reporter logs outages of the two operations that can fail for a while. A line for each request would fill the disk
// while the daemon is away.
type reporter struct {
	log              func(message string, err error)
	now              func() time.Time
	validate, rotate outage
}

// outage takes no lock: a flood of failing requests would queue for it.
type outage struct {
	current atomic.Pointer[failures]
}

// failures are those of one outage.
type failures struct {
	since time.Time
	// last is the time of the last failure, after since.
	last, requests atomic.Int64
	// logged holds the codes of the errors that were logged.
	logged sync.Map
}

// failed notes a request that failed. It returns true if no such error was logged in this outage.
func (outage *outage) failed(err error, now time.Time) bool {
	current := outage.current.Load()
	for current == nil {
		outage.current.CompareAndSwap(nil, &failures{since: now})
		current = outage.current.Load()
	}
	current.last.Store(int64(now.Sub(current.since)))
	current.requests.Add(1)
	code := 0
	var coded *Error
	if errors.As(err, &coded) {
		code = coded.Code
	}
	_, known := current.logged.LoadOrStore(code, true)
	return !known
}

// ended notes a request that was answered. It returns the outage that this one ends, or nil.
func (outage *outage) ended(now func() time.Time) *failures {
	current := outage.current.Load()
	if current == nil || now().Sub(current.since)-time.Duration(current.last.Load()) < quiet {
		return nil
	}
	if !outage.current.CompareAndSwap(current, nil) {
		return nil
	}
	return current
}

// tell reports an outcome of Authenticate.
func (reporter *reporter) tell(outcome *Outcome) {
	switch {
	case outcome.Status == http.StatusServiceUnavailable:
		reporter.fails(&reporter.validate, "jwtkeeperd does not answer; requests get 503 until it does", outcome.Err)
	case outcome.Status == http.StatusInternalServerError:
		reporter.fails(&reporter.validate, "requests get 500", outcome.Err)
	case outcome.Reason == "malformed" || outcome.Session == nil && outcome.Reason == "":
		// The daemon was not asked.
	default:
		reporter.answers(&reporter.validate, "jwtkeeperd answers again")
		if outcome.Err != nil {
			reporter.fails(&reporter.rotate, "rotation is put off", outcome.Err)
		} else if outcome.Header.Get("Authorization") != "" {
			reporter.answers(&reporter.rotate, "tokens are rotated again")
		}
	}
}

func (reporter *reporter) fails(outage *outage, message string, err error) {
	if outage.failed(err, reporter.now()) {
		reporter.log(message, err)
	}
}

func (reporter *reporter) answers(outage *outage, message string) {
	if over := outage.ended(reporter.now); over != nil {
		lasted := time.Duration(over.last.Load()).Round(time.Millisecond)
		reporter.log(fmt.Sprintf("%s: %d requests failed within %v", message, over.requests.Load(), lasted), nil)
	}
}

// logTo writes both as one line.
func logTo(print func(...interface{})) func(string, error) {
	return func(message string, err error) {
		if err != nil {
			message += ": " + err.Error()
		}
		print("jwtkeeper: " + message)
	}
}
