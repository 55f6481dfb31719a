package ahoy

// #include "bridge.h"
import "C"

import (
	"context"
	"io"
	"net/http"
	"runtime/cgo"
	"strings"
	"sync"
	"time"
	"unsafe"
)

// upload is a request's body that the library draws while it sends. A goroutine reads ahead, since the library's
// thread must not wait for a reader of Go.
type upload struct {
	request *C.ahoy_request
	getBody func() (io.ReadCloser, error)
	length  int64         // 0 where it is unknown
	come    chan struct{} // has one when the first bytes have come, or there are none

	mutex  sync.Mutex
	round  int // counts rewinds: what an earlier round reads no longer counts
	ready  []byte
	room   chan struct{}
	err    error
	reader io.ReadCloser
}

// attachUpload has the request's body drawn; the request is freed with what is returned, and where it fails.
func attachUpload(made *C.ahoy_request, request *http.Request) (*upload, error) {
	u := &upload{request: made, getBody: request.GetBody, come: make(chan struct{}, 1)}
	length := C.uint64_t(C.AHOY_UNKNOWN_LENGTH)
	if request.ContentLength > 0 {
		u.length = request.ContentLength
		length = C.uint64_t(u.length)
	}
	u.begin(request.Body)
	var err *C.ahoy_error
	handle := C.uintptr_t(cgo.NewHandle(u))
	if C.ahoy_go_body(made, handle, C.bool(u.getBody != nil), length, &err) != 0 {
		u.free()
		return nil, takeError(err)
	}
	return u, nil
}

// isEmpty tells whether a body has no bytes. For one that does not come it does not wait for long, and is taken for full:
// its writer may await the answer.
func (u *upload) isEmpty(ctx context.Context) bool {
	late := time.NewTimer(200 * time.Millisecond)
	defer late.Stop()
	select {
	case <-u.come:
	case <-ctx.Done():
	case <-late.C:
	}
	u.mutex.Lock()
	defer u.mutex.Unlock()
	return len(u.ready) == 0 && u.err == io.EOF
}

// free ends the reading ahead, after which nothing touches the request any more, and frees that. A nil one has nothing.
func (u *upload) free() {
	if u == nil {
		return
	}
	u.mutex.Lock()
	request := u.request
	u.request = nil
	ended := u.end()
	u.mutex.Unlock()
	go ended.Close() // which may wait for the Read, as that of a server's request does
	C.ahoy_request_free(request)
}

// because gives a call's error what the reader of its body said, where that ended it. A nil one has nothing to say.
func (u *upload) because(err error) error {
	failed, ok := err.(*Error)
	if u == nil || !ok || failed.Code != BodySource {
		return err
	}
	u.mutex.Lock()
	defer u.mutex.Unlock()
	if u.err != nil && u.err != io.EOF {
		failed.cause = u.err
		first, rest, _ := strings.Cut(failed.Message, "\n")
		failed.Message = strings.TrimSuffix(first+": "+u.err.Error()+"\n"+rest, "\n")
	}
	return failed
}

// end ends a round, whose reader is to be closed: its goroutine, which waits for room or in the reader, leaves.
func (u *upload) end() io.Closer {
	if u.room != nil {
		close(u.room)
	}
	u.round++
	u.ready, u.room = nil, nil
	return u.reader
}

func (u *upload) begin(body io.ReadCloser) {
	reader := &closedOnce{ReadCloser: body}
	u.reader, u.ready, u.err = reader, nil, nil
	u.room = make(chan struct{}, 1)
	u.room <- struct{}{}
	go u.read(u.round, reader, u.room)
}

// closedOnce is a reader that both a round's goroutine and its end close, and whose own Close need not bear that.
type closedOnce struct {
	io.ReadCloser
	once sync.Once
}

func (c *closedOnce) Close() (err error) {
	c.once.Do(func() { err = c.ReadCloser.Close() })
	return err
}

// read fetches one piece after the other, each when the one before was taken.
func (u *upload) read(round int, reader io.ReadCloser, room chan struct{}) {
	defer reader.Close()
	left := u.length
	for range room {
		buffer := make([]byte, piece)
		count, err := reader.Read(buffer)
		if left -= int64(count); u.length > 0 && left <= 0 {
			// With the last of these bytes the call would end well.
			if err = u.ends(reader, left, err); err != io.EOF {
				count = 0
			}
		}
		u.mutex.Lock()
		if u.round != round || u.request == nil {
			u.mutex.Unlock()
			return
		}
		u.ready, u.err = buffer[:count], err
		if count == 0 && err == nil {
			u.room <- struct{}{}
			u.mutex.Unlock()
			continue
		}
		C.ahoy_request_body_ready(u.request, nil)
		u.mutex.Unlock()
		select {
		case u.come <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// ends is io.EOF where a body ends with its length, of which so much is left; else it says why not. The library asks no
// more when it has that length, so that a longer body would be cut without a word.
func (u *upload) ends(reader io.Reader, left int64, err error) error {
	for left == 0 && err == nil {
		var count int
		count, err = reader.Read(make([]byte, 1))
		left -= int64(count)
	}
	if left < 0 {
		return tooLong(u.length)
	}
	return err
}

//export goProduce
func goProduce(handle C.uintptr_t, buffer *C.uint8_t, capacity C.size_t, length *C.size_t) C.int32_t {
	result := C.int32_t(C.AHOY_BODY_FAILED)
	guard(func() {
		u := cgo.Handle(handle).Value().(*upload)
		u.mutex.Lock()
		defer u.mutex.Unlock()
		if len(u.ready) > 0 {
			count := copy(unsafe.Slice((*byte)(unsafe.Pointer(buffer)), int(capacity)), u.ready)
			u.ready = u.ready[count:]
			*length = C.size_t(count)
			if len(u.ready) == 0 && u.err == nil && u.request != nil {
				u.room <- struct{}{}
			}
			result = C.AHOY_BODY_DATA
		} else if u.err == io.EOF {
			result = C.AHOY_BODY_END
		} else if u.err == nil {
			result = C.AHOY_BODY_NOT_READY
		}
	})
	return result
}

//export goRewind
func goRewind(handle C.uintptr_t) C.bool {
	well := C.bool(false)
	guard(func() {
		u := cgo.Handle(handle).Value().(*upload)
		u.mutex.Lock()
		ended := u.end()
		u.mutex.Unlock()
		ended.Close() // before another is asked for, as net/http does: both may be of one file
		again, err := u.getBody()
		u.mutex.Lock()
		defer u.mutex.Unlock()
		if err != nil {
			u.err = err
			return
		}
		if u.request == nil {
			again.Close()
			return
		}
		u.begin(again)
		well = true
	})
	return well
}
