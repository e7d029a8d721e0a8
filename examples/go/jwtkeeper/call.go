package jwtkeeper

/*
#include <jwtkeeper.h>
*/
import "C"

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	// defaultDeadline is libjwtkeeper's.
	defaultDeadline = 5 * time.Second
	// Each call holds a thread, and Go ends a program that has 10,000.
	defaultCalls = 64
	mostCalls    = 5000
	// longest keeps sums of times from overflowing.
	longest = 366 * 24 * time.Hour
	// grace lets a call report its own error at the client's deadline, and a context end before its call in C does.
	grace = 50 * time.Millisecond
)

// core is the native client, and the calls under way on it. Each call that waits in C holds an OS thread.
type core struct {
	deadline time.Duration
	permits  chan struct{}

	// state is twice the number of calls under way, and 1 more once the client is closed. A mutex would hand itself from
	// one goroutine of a crowd to the next.
	state int64

	handle *C.jwtkeeper_client
}

func newCore(config *C.jwtkeeper_config, deadline time.Duration, calls int) (*core, error) {
	if deadline == 0 {
		deadline = defaultDeadline
	}
	if deadline > longest {
		deadline = longest
	}
	if calls == 0 {
		calls = defaultCalls
	}
	made := &core{deadline: deadline, permits: make(chan struct{}, calls)}
	code := C.jwtkeeper_config_set_deadline_ms(config, milliseconds(deadline))
	if code == 0 {
		code = C.jwtkeeper_client_new(config, &made.handle)
	}
	if code != 0 {
		return nil, errorOf(code, nil)
	}
	return made, nil
}

// milliseconds rounds up, to 1 at least.
func milliseconds(deadline time.Duration) C.uint64_t {
	if deadline < time.Millisecond {
		return 1
	}
	return C.uint64_t((deadline-1)/time.Millisecond + 1)
}

// enter keeps the handle alive for a call; leave ends that.
func (core *core) enter() error {
	for core != nil {
		state := atomic.LoadInt64(&core.state)
		if state&1 == 1 {
			break
		}
		if atomic.CompareAndSwapInt64(&core.state, state, state+2) {
			return nil
		}
	}
	return ErrClosed
}

func (core *core) leave() {
	if atomic.AddInt64(&core.state, -2) == 1 {
		C.jwtkeeper_client_free(core.handle)
	}
}

func (core *core) close() error {
	for core != nil {
		state := atomic.LoadInt64(&core.state)
		if state&1 == 1 {
			break
		}
		if atomic.CompareAndSwapInt64(&core.state, state, state+1) {
			if state == 0 {
				C.jwtkeeper_client_free(core.handle)
			}
			return nil
		}
	}
	return ErrClosed
}

// answer is a reply that a call fills, made once a call may begin: requests that wait in a crowd cost little. A caller
// that leaves early passes the reply to the call under way, which frees it.
type answer struct {
	reply *C.jwtkeeper_reply
}

const (
	underWay int32 = iota
	finished
	abandoned
)

// free frees the reply unless a call has it.
func (answer *answer) free() {
	if answer.reply != nil {
		C.jwtkeeper_reply_free(answer.reply)
	}
}

type work func(*C.jwtkeeper_client, *C.jwtkeeper_reply) C.int32_t

// call asks, and reads the reply of what was answered.
func (client *Client) call(ctx context.Context, work work, read func(*C.jwtkeeper_reply)) error {
	answer := &answer{}
	defer answer.free()
	code, err := client.ask(ctx, answer, work)
	if err != nil {
		return err
	}
	if code != 0 {
		return errorOf(code, answer.reply)
	}
	read(answer.reply)
	return nil
}

// ask calls into C, and returns by the end of ctx and of the client's deadline. Until then it waits for one of the
// client's permits. A call that its caller has left keeps its permit until C returns.
func (client *Client) ask(ctx context.Context, answer *answer, work work) (C.int32_t, error) {
	if client == nil {
		return 0, ErrClosed
	}
	core := client.core
	if err := core.enter(); err != nil {
		return 0, err
	}
	end := time.Now().Add(core.deadline)
	handle, err := core.begin(ctx, end)
	if err != nil {
		core.leave()
		return 0, err
	}
	if answer.reply == nil {
		answer.reply = C.jwtkeeper_reply_new()
	}
	if ctx.Done() == nil {
		defer core.end(handle)
		return work(handle, answer.reply), nil
	}
	reply, done, state := answer.reply, make(chan C.int32_t, 1), underWay
	go func() {
		defer core.end(handle)
		code := work(handle, reply)
		if atomic.CompareAndSwapInt32(&state, underWay, finished) {
			done <- code
		} else {
			C.jwtkeeper_reply_free(reply)
		}
	}()
	timer := time.NewTimer(time.Until(end) + grace)
	defer timer.Stop()
	select {
	case code := <-done:
		if code == C.JWTKEEPER_ERROR_TIMEOUT && ctx.Err() != nil {
			return 0, ended(ctx) // both ended at about the same time
		}
		return code, nil
	case <-ctx.Done():
		err = ended(ctx)
	case <-timer.C:
		err = timeout(fmt.Sprintf("no answer within %v", core.deadline), nil)
	}
	if !atomic.CompareAndSwapInt32(&state, underWay, abandoned) {
		return <-done, nil
	}
	answer.reply = nil
	return 0, err
}

// begin waits for a permit, and returns a handle with the deadline of the call. end gives both back.
func (core *core) begin(ctx context.Context, end time.Time) (*C.jwtkeeper_client, error) {
	if ctx.Err() != nil {
		return nil, ended(ctx)
	}
	deadline, given := ctx.Deadline()
	sooner, waited := given && deadline.Before(end), false
	select {
	case core.permits <- struct{}{}:
	default:
		waited = true
		var late <-chan time.Time
		if !sooner {
			timer := time.NewTimer(time.Until(end))
			defer timer.Stop()
			late = timer.C
		}
		select {
		case core.permits <- struct{}{}:
		case <-ctx.Done():
			return nil, ended(ctx)
		case <-late:
			message := fmt.Sprintf("no call could begin within %v: %d wait for the daemon", core.deadline, cap(core.permits))
			return nil, timeout(message, nil)
		}
	}
	if sooner {
		end = deadline.Add(grace)
	} else if !waited {
		return core.handle, nil
	}
	var handle *C.jwtkeeper_client
	if code := C.jwtkeeper_client_with_deadline(core.handle, milliseconds(time.Until(end)), &handle); code != 0 {
		<-core.permits
		return nil, errorOf(code, nil)
	}
	return handle, nil
}

func (core *core) end(handle *C.jwtkeeper_client) {
	if handle != core.handle {
		C.jwtkeeper_client_free(handle)
	}
	<-core.permits
	core.leave()
}

// ended is the error of a context that has ended.
func ended(ctx context.Context) error {
	if ctx.Err() == context.DeadlineExceeded {
		return timeout("the context's deadline passed", ctx.Err())
	}
	return fmt.Errorf("jwtkeeper: the call was given up: %w", ctx.Err())
}

func timeout(message string, cause error) error {
	return &Error{Code: C.JWTKEEPER_ERROR_TIMEOUT, Name: "timeout", Message: message, cause: cause}
}
