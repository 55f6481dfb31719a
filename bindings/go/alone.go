package ahoy

// #include "bridge.h"
import "C"

import (
	"context"
	"runtime"
	"runtime/cgo"
	"sync/atomic"
)

// patience is for how long a call that is alone waits in the library, in milliseconds. It holds a thread meanwhile, and sees
// the end of its context at the end of them.
const patience = 5

// settled is how many calls in a row have to be alone before the next is taken for one: where several goroutines make them,
// one is often the first of a few, and the queue is the cheaper way for those.
const settled = 16

// company tells calls that are made one at a time from others. The queue hands thousands over for less than each of them by
// itself takes; a single one waits in the library for a quarter less processor time, and nothing else has to wake for it.
type company struct {
	calls, alone int32
	spare        bool // a processor runs other goroutines while one waits
}

func newCompany() company { return company{spare: runtime.GOMAXPROCS(0) > 1} }

// join notes a call, until it leaves; whether it is alone, as those before it were.
func (c *company) join() bool {
	if atomic.AddInt32(&c.calls, 1) > 1 {
		atomic.StoreInt32(&c.alone, 0)
		return false
	}
	return c.spare && (atomic.LoadInt32(&c.alone) > settled || atomic.AddInt32(&c.alone, 1) > settled)
}

func (c *company) leave() { atomic.AddInt32(&c.calls, -1) }

// call sends a request that is alone, and waits for it: in the library at first, and then as a goroutine does.
func (c *Client) call(ctx context.Context, asked *asked) (*C.ahoy_response, error) {
	call, response, err := c.begin(asked)
	if call == nil {
		return response, err
	}
	defer C.ahoy_call_free(call)
	waiter := make(chan outcome, 1)
	var failed *C.ahoy_error
	if C.ahoy_go_on_done(call, C.uintptr_t(cgo.NewHandle(waiter)), &failed) != 0 {
		return nil, takeError(failed)
	}
	select {
	case done := <-waiter:
		return done.response, done.err
	case <-ctx.Done():
		C.ahoy_call_cancel(call, nil)
		go discard(waiter)
		return nil, ctx.Err()
	}
}

// begin gives the call where it goes on, and else how it ended.
func (c *Client) begin(asked *asked) (call *C.ahoy_call, response *C.ahoy_response, _ error) {
	if !c.queue.inUse.TryRLock() {
		return nil, nil, ErrClosed
	}
	defer c.queue.inUse.RUnlock()
	var err *C.ahoy_error
	if C.ahoy_go_call(c.handle, asked.head(), asked.fields, asked.content(), C.size_t(len(asked.body)), asked.timeout,
		asked.idle, patience, &call, &response, &err) != 0 {
		return nil, nil, takeError(err)
	}
	return call, response, nil
}

//export goDone
func goDone(handle C.uintptr_t, response *C.ahoy_response, err *C.ahoy_error) {
	guard(func() { cgo.Handle(handle).Value().(chan outcome) <- outcome{response, takeError(err)} })
}
