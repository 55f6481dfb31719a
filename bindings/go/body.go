package ahoy

// #include "bridge.h"
import "C"

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"sync"
	"unsafe"
)

// body is an answer's body, which is read while it comes.
type body struct {
	*held
	client   *Client
	ctx      context.Context
	attempts []Attempt
	made     int // all attempts

	reading sync.Mutex // one after the other
	rest    bytes.Buffer
}

// held is what a body has of the library. It is apart, so that the collector finds a body that was dropped while its
// context, which ends this, goes on.
type held struct {
	mutex    sync.Mutex
	response *C.ahoy_response
	sent     *upload
	err      error
	ended    chan struct{} // closed with the exchange, where something waits for that
	over     func()        // called with it
}

const piece = 64 << 10

// begin writes the head, and what came of the body, into a buffer.
func (b *body) begin(into []byte) (C.ahoy_go_answer, error) {
	var found C.ahoy_go_answer
	var err *C.ahoy_error
	enter()
	C.ahoy_go_head(b.response, (*C.uint8_t)(unsafe.Pointer(&into[0])), C.size_t(len(into)), &found, &err)
	leave()
	return found, takeError(err)
}

// keep takes what begin found of the body.
func (b *body) keep(found []byte, ended bool, err error) {
	b.rest.Write(found)
	switch {
	case ended:
		b.response, b.err = nil, io.EOF
		b.free()
	case err != nil:
		b.err = asReader(err)
		b.free()
	default:
		runtime.SetFinalizer(b, func(b *body) { b.Close() })
		b.endWith(b.ctx)
	}
}

// endWith has the exchange end with a context, also while nobody reads. (Go 1.18 has no context.AfterFunc.)
func (h *held) endWith(ctx context.Context) {
	if ctx.Done() == nil {
		return
	}
	ended := make(chan struct{})
	h.ended = ended
	go func() {
		select {
		case <-ended:
		case <-ctx.Done():
			h.close(ctx.Err())
		}
	}()
}

// Read waits for bytes, in Go's scheduler. A Close meanwhile ends it.
func (b *body) Read(into []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	if len(into) == 0 {
		return 0, nil
	}
	for {
		if count, err := b.take(into); count > 0 || err != nil {
			return count, err
		}
		b.wait()
	}
}

// take gives what is there.
func (b *body) take(into []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.rest.Len() == 0 && b.err == nil {
		b.err = b.fill()
	}
	if b.rest.Len() > 0 {
		return b.rest.Read(into)
	}
	return 0, b.err
}

// fill reads what has come.
func (b *body) fill() error {
	if err := b.ctx.Err(); err != nil {
		b.free()
		return err
	}
	buffer := pieces.Get().(*[piece]byte)
	defer pieces.Put(buffer)
	var length C.size_t
	var ended C.bool
	var err *C.ahoy_error
	enter()
	status := C.ahoy_go_read(b.response, (*C.uint8_t)(unsafe.Pointer(buffer)), piece, &length, &ended, &err)
	leave()
	if status != 0 {
		b.free()
		return asReader(takeError(err))
	}
	b.rest.Write(buffer[:length])
	if ended {
		b.response = nil
		b.free()
		return io.EOF
	}
	return nil
}

// wait waits until there is something to read, or the body's end.
func (b *body) wait() {
	_, failed := b.client.queue.await(b.ctx, func(tag uint64, err **C.ahoy_error) C.ahoy_status {
		b.mutex.Lock()
		defer b.mutex.Unlock()
		if b.response == nil {
			return C.AHOY_E_CLOSED
		}
		return C.ahoy_response_notify(b.response, b.client.queue.handle, C.uint64_t(tag), err)
	})
	if failed != nil {
		b.mutex.Lock()
		defer b.mutex.Unlock()
		// Of a client that was shut down, all of the body may have come meanwhile.
		if b.err == nil && errors.Is(failed, ErrClosed) {
			b.err = b.fill()
		}
		if b.err == nil && b.rest.Len() == 0 {
			b.err = failed
		}
		if b.err != nil {
			b.free()
		}
	}
}

var pieces = sync.Pool{New: func() any { return new([piece]byte) }}

// asReader gives what Go's readers expect of a body that broke off.
func asReader(err error) error {
	if failed, ok := err.(*Error); ok && failed.Code == ConnectionLost {
		return &brokenOff{failed}
	}
	return err
}

// brokenOff is an Error that is io.ErrUnexpectedEOF as well.
type brokenOff struct{ failed *Error }

func (b *brokenOff) Error() string        { return b.failed.Error() }
func (b *brokenOff) Unwrap() error        { return b.failed }
func (b *brokenOff) Is(target error) bool { return target == io.ErrUnexpectedEOF }

// Close ends the exchange; the server sees the connection close if the body is not whole.
func (b *body) Close() error {
	b.mutex.Lock()
	b.rest.Reset()
	b.err = http.ErrBodyReadAfterClose
	b.mutex.Unlock()
	b.close(nil)
	return nil
}

// close ends the exchange, for a reason that readers are told unless they have another.
func (h *held) close(why error) {
	h.mutex.Lock()
	response, sent := h.letGo()
	if h.err == nil {
		h.err = why
	}
	h.mutex.Unlock()
	// A reader that is about to wait has its place in the library, and comes here for the lock.
	release(response, sent)
}

// onEnd has a function called with the exchange's end, or now if that has come.
func (h *held) onEnd(over func()) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.response == nil {
		over()
		return
	}
	h.over = over
}

// free ends the exchange, unless it has ended, and the reading of the request's body.
func (h *held) free() { release(h.letGo()) }

// letGo gives what is to be released.
func (h *held) letGo() (*C.ahoy_response, *upload) {
	response, sent := h.response, h.sent
	h.response, h.sent = nil, nil
	if h.ended != nil {
		close(h.ended)
		h.ended = nil
	}
	if h.over != nil {
		h.over()
		h.over = nil
	}
	return response, sent
}

func release(response *C.ahoy_response, sent *upload) {
	if response != nil {
		enter()
		C.ahoy_response_free(response)
		leave()
	}
	sent.free()
}
