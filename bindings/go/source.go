package ahoy

import (
	"io"
	"sync"
	"time"
)

// grace is for how long a call that failed waits for the reader of its body, whose Close need not end a Read.
const grace = time.Second

// source is the reader of a request's body. Several close it, and its own Close need not bear that.
type source struct {
	body   io.ReadCloser
	once   sync.Once
	mutex  sync.Mutex
	closed bool
}

// Read reads, unless the source is closed: then its owner may use the body again.
func (s *source) Read(into []byte) (int, error) {
	s.mutex.Lock()
	closed := s.closed
	s.mutex.Unlock()
	if closed {
		return 0, io.ErrClosedPipe
	}
	return s.body.Read(into)
}

// Close has no further Read begin, and ends one that is under way where the body's own Close does. That may wait for it, as
// that of a server's request does. Each Close returns when the body is closed.
func (s *source) Close() (err error) {
	s.mutex.Lock()
	s.closed = true
	s.mutex.Unlock()
	s.once.Do(func() { err = s.body.Close() })
	return err
}
