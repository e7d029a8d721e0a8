package jwtkeeper

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// quiet is how long the daemon must have answered for an outage to be over.
	quiet = time.Second
	// again is the pause between two log lines of one fault.
	again = time.Minute
)

// reporter logs what happened to requests: an outage by a line at its start and one at its end, and a fault that
// repeats at most once a minute. A line for each request would fill the disk while the daemon is away.
type reporter struct {
	log func(message string, err error)

	refused     int64
	began, last int64

	mutex    sync.Mutex
	fault    string
	reported time.Time
	omitted  int
}

// unavailable counts a request that was answered 503.
func (reporter *reporter) unavailable(err error) {
	now := time.Now().UnixNano()
	atomic.StoreInt64(&reporter.last, now)
	if atomic.AddInt64(&reporter.refused, 1) == 1 {
		atomic.StoreInt64(&reporter.began, now)
		reporter.log("jwtkeeperd does not answer; requests get 503 until it does", err)
	}
}

// answered notes a request that was judged.
func (reporter *reporter) answered() {
	if atomic.LoadInt64(&reporter.refused) == 0 {
		return
	}
	last := time.Unix(0, atomic.LoadInt64(&reporter.last))
	if time.Since(last) < quiet {
		return
	}
	lasted := last.Sub(time.Unix(0, atomic.LoadInt64(&reporter.began))).Round(time.Millisecond)
	if refused := atomic.SwapInt64(&reporter.refused, 0); refused > 0 {
		reporter.log(fmt.Sprintf("jwtkeeperd answers again: %d requests got 503 within %v", refused, lasted), nil)
	}
}

// fails logs a fault of the set-up, or a rotation that is put off.
func (reporter *reporter) fails(message string, err error) {
	reporter.mutex.Lock()
	fault := message + err.Error()
	repeated := fault == reporter.fault && time.Since(reporter.reported) < again
	if repeated {
		reporter.omitted++
		reporter.mutex.Unlock()
		return
	}
	if reporter.omitted > 0 {
		message = fmt.Sprintf("%s (%d repeated lines were left out)", message, reporter.omitted)
	}
	reporter.fault, reporter.reported, reporter.omitted = fault, time.Now(), 0
	reporter.mutex.Unlock()
	reporter.log(message, err)
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
