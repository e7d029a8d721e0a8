package jwtkeeper

/*
#include <jwtkeeper.h>
*/
import "C"

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// defaultDeadline is libjwtkeeper's.
	defaultDeadline = 5 * time.Second
	// Each call holds a thread, and Go ends a program that has 10,000.
	defaultCalls = 64
	mostCalls    = 5000
	// grace lets a call report its own error at the client's deadline.
	grace = 50 * time.Millisecond
)

// core is the native client, and the calls under way on it. Each call that waits in C holds an OS thread.
type core struct {
	deadline time.Duration
	permits  chan struct{}

	// state is twice the number of calls under way, and 1 more once the client is closed. A mutex would hand itself from
	// one goroutine of a crowd to the next.
	state int64

	mutex  sync.Mutex
	config *C.jwtkeeper_config
	// handles[n] has the deadline divided by 2^n: libjwtkeeper has one deadline for all calls of a client.
	handles []*C.jwtkeeper_client
	used    int
}

// newCore takes the configuration, and frees it in time.
func newCore(config *C.jwtkeeper_config, deadline time.Duration, calls int) (*core, error) {
	if deadline == 0 {
		deadline = defaultDeadline
	}
	if deadline < time.Millisecond {
		deadline = time.Millisecond
	}
	if calls == 0 {
		calls = defaultCalls
	}
	made := &core{deadline: deadline, permits: make(chan struct{}, calls), config: config}
	if _, err := made.handleFor(deadline); err != nil {
		C.jwtkeeper_config_free(config)
		return nil, err
	}
	return made, nil
}

// enter reserves the handles for a call; leave gives them back.
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
		core.free()
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
				core.free()
			}
			return nil
		}
	}
	return ErrClosed
}

// free ends the native clients, once the client is closed and its last call is over.
func (core *core) free() {
	core.mutex.Lock()
	defer core.mutex.Unlock()
	for _, handle := range core.handles {
		C.jwtkeeper_client_free(handle)
	}
	C.jwtkeeper_config_free(core.config)
	core.handles, core.config = nil, nil
}

// handleFor returns the handle with the shortest deadline that leaves a call the remaining time.
func (core *core) handleFor(remaining time.Duration) (*C.jwtkeeper_client, error) {
	number, deadline := 0, core.deadline
	for deadline/2 >= remaining && deadline/2 >= time.Millisecond {
		number, deadline = number+1, deadline/2
	}
	core.mutex.Lock()
	defer core.mutex.Unlock()
	for len(core.handles) <= number {
		core.handles = append(core.handles, nil)
	}
	if core.handles[number] == nil {
		milliseconds := (deadline-1)/time.Millisecond + 1
		if code := C.jwtkeeper_config_set_deadline_ms(core.config, C.uint64_t(milliseconds)); code != 0 {
			return nil, errorOf(code, nil)
		}
		if code := C.jwtkeeper_client_new(core.config, &core.handles[number]); code != 0 {
			return nil, errorOf(code, nil)
		}
	}
	core.used = number
	return core.handles[number], nil
}

// any returns the handle that was used last, for what does not ask the daemon, between enter and leave.
func (core *core) any() *C.jwtkeeper_client {
	core.mutex.Lock()
	defer core.mutex.Unlock()
	return core.handles[core.used]
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
		defer core.end()
		return work(handle, answer.reply), nil
	}
	reply, done, state := answer.reply, make(chan C.int32_t, 1), underWay
	go func() {
		defer core.end()
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

// begin waits for a permit, which end gives back.
func (core *core) begin(ctx context.Context, end time.Time) (*C.jwtkeeper_client, error) {
	if ctx.Err() != nil {
		return nil, ended(ctx)
	}
	deadline, given := ctx.Deadline()
	sooner := given && deadline.Before(end)
	select {
	case core.permits <- struct{}{}:
	default:
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
		end = deadline
	}
	handle, err := core.handleFor(time.Until(end))
	if err != nil {
		<-core.permits
	}
	return handle, err
}

func (core *core) end() {
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
