package ahoy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// shared is what the readers of a request's body are of, such as a file: each Read moves its one offset.
type shared struct {
	mutex   sync.Mutex
	content []byte
	offset  int
	inside  int // how many Reads are under way
}

func (s *shared) enter(by int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.inside += by
}

// rewind goes back to the start, and tells how many Reads are under way.
func (s *shared) rewind() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.offset = 0
	return s.inside
}

func (s *shared) read(into []byte) (int, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	count := copy(into, s.content[s.offset:])
	if s.offset += count; count == 0 {
		return 0, io.EOF
	}
	return count, nil
}

// heldUp is a reader of which the Read after some bytes lasts until it is let go, whatever its Close says.
type heldUp struct {
	of      *shared
	after   int
	letGo   <-chan struct{}
	onClose func()
}

func (h *heldUp) Read(into []byte) (int, error) {
	h.of.enter(1)
	defer h.of.enter(-1)
	if h.letGo != nil && h.after <= 0 {
		<-h.letGo
	}
	count, err := h.of.read(into)
	h.after -= count
	return count, err
}

func (h *heldUp) Close() error {
	if h.onClose != nil {
		h.onClose()
	}
	return nil
}

// A body is asked for again only when nothing reads it any more. Neither that nor what GetBody and Close do is awaited by the
// library's thread, which has the other calls to carry: those that both make here, and the attempt that ends the Read.
func TestABodyIsSentAgainOnceItsReadHasEnded(t *testing.T) {
	for _, length := range []int64{-1, 2 << 20} {
		begun, letGo, askedAgain := make(chan struct{}, 10), make(chan struct{}), make(chan struct{}, 1)
		var asked int32
		type received struct {
			content []byte
			err     error
		}
		seen := make(chan received, 10)
		host := here(t, func(writer http.ResponseWriter, request *http.Request) {
			if request.Method == http.MethodGet {
				return
			}
			if atomic.AddInt32(&asked, 1) == 1 {
				io.CopyN(io.Discard, request.Body, 100000)
				<-begun
				writer.Header().Set("Connection", "close")
				writer.WriteHeader(503)
				return
			}
			// The Read of the first attempt goes on, also a while after this one's head has come.
			select {
			case <-askedAgain:
			case <-time.After(200 * time.Millisecond):
			}
			close(letGo)
			content, err := io.ReadAll(request.Body)
			seen <- received{content, err}
		})
		config := Config{Hosts: []string{host}, Timeout: 20 * time.Second, AttemptTimeout: 20 * time.Second}
		transport, other := client(t, config), client(t, config)
		ping := func() {
			response, err := other.Get(context.Background(), "/")
			if err != nil {
				t.Error(err)
			} else {
				response.Body.Close()
			}
		}
		from := &shared{content: make([]byte, 2<<20)}
		for i := range from.content {
			from.content[i] = byte(i * 7 >> 3)
		}
		request, _ := http.NewRequest(http.MethodPut, "http://orders/", nil)
		first := &heldUp{of: from, after: 200000, letGo: letGo, onClose: ping}
		request.Body = &signalling{first, begun}
		request.ContentLength = length
		overlapped := 0
		request.GetBody = func() (io.ReadCloser, error) {
			overlapped += from.rewind()
			askedAgain <- struct{}{}
			ping()
			return &heldUp{of: from}, nil
		}
		response, err := transport.RoundTrip(request)
		text(t, response, err)
		if got := <-seen; overlapped > 0 || got.err != nil || !bytes.Equal(got.content, from.content) || len(Attempts(response)) != 2 {
			t.Fatal(length, overlapped, got.err, len(got.content), Attempts(response))
		}
	}
}

// signalling tells of each Read that begins once its reader is to be held up.
type signalling struct {
	*heldUp
	begun chan<- struct{}
}

func (s *signalling) Read(into []byte) (int, error) {
	if s.after <= 0 {
		select {
		case s.begun <- struct{}{}:
		default:
		}
	}
	return s.heldUp.Read(into)
}

// What GetBody fails with ends the call, and nothing asks for the body once the call has ended.
func TestABodyThatCannotBeSentAgain(t *testing.T) {
	held := make(chan struct{}, 10)
	host := here(t, func(writer http.ResponseWriter, request *http.Request) {
		if _, err := io.CopyN(io.Discard, request.Body, 100000); err != nil {
			return
		}
		if request.URL.Path == "/held" {
			<-held
		}
		connection, _, _ := writer.(http.Hijacker).Hijack()
		connection.Close()
	})
	transport := client(t, Config{Hosts: []string{host}, Timeout: 20 * time.Second})
	send := func(ctx context.Context, path string, body io.ReadCloser, getBody func() (io.ReadCloser, error)) error {
		request, _ := http.NewRequestWithContext(ctx, http.MethodPut, "http://orders"+path, body)
		request.GetBody = getBody
		_, err := transport.RoundTrip(request)
		return err
	}
	for _, getBody := range []func() (io.ReadCloser, error){
		func() (io.ReadCloser, error) { return nil, errFailing },
		func() (io.ReadCloser, error) { return nil, nil },
		func() (io.ReadCloser, error) { panic("no body") },
	} {
		var failed *Error
		err := send(context.Background(), "/", io.NopCloser(bytes.NewReader(make([]byte, 2<<20))), getBody)
		if !errors.As(err, &failed) || failed.Unwrap() == nil || len(failed.Attempts) != 2 || failed.Attempts[1].Code != BodySource {
			t.Fatal(err)
		}
	}
	// The Read of the first attempt outlasts the call, and a GetBody after it would be one too many.
	letGo := make(chan struct{})
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	again := make(chan struct{}, 1)
	body := &heldUp{of: &shared{content: make([]byte, 2<<20)}, after: 200000, letGo: letGo}
	err := send(ctx, "/held", &signalling{body, held}, func() (io.ReadCloser, error) { again <- struct{}{}; return nil, errFailing })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	close(letGo)
	eventually(t, 5*time.Second, func() bool { return goroutinesIn("(*upload).run") == 0 })
	if len(again) > 0 {
		t.Fatal("the body was asked for after its call")
	}
}

// lingering is a reader whose Read goes on for a while after its Close, which ends it.
type lingering struct {
	closed, begun chan struct{}
	once          sync.Once
	inside, late  int32 // Reads under way, and such as began after Close
}

func (l *lingering) Read(into []byte) (int, error) {
	atomic.AddInt32(&l.inside, 1)
	defer atomic.AddInt32(&l.inside, -1)
	select {
	case <-l.closed:
		atomic.AddInt32(&l.late, 1)
	default:
	}
	select {
	case l.begun <- struct{}{}:
	default:
	}
	<-l.closed
	time.Sleep(50 * time.Millisecond)
	return copy(into, "some"), nil
}

func (l *lingering) Close() error { l.once.Do(func() { close(l.closed) }); return nil }

// The owner of a body may use what it is of, when the call has failed: no Read is under way then, and none begins.
func TestNothingReadsABodyAfterItsCall(t *testing.T) {
	host := here(t, func(_ http.ResponseWriter, request *http.Request) { io.Copy(io.Discard, request.Body) })
	for _, length := range []int64{-1, 1000, 5 << 20} {
		for _, way := range []string{"context", "limit", "Close"} {
			config := Config{Hosts: []string{host}, Timeout: time.Minute, AttemptTimeout: time.Minute}
			if way == "limit" {
				config.Timeout = 100 * time.Millisecond
			}
			transport := client(t, config)
			body := &lingering{closed: make(chan struct{}), begun: make(chan struct{}, 1)}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			request, _ := http.NewRequestWithContext(ctx, http.MethodPost, "http://orders/", body)
			request.ContentLength = length
			result := make(chan error, 1)
			go func() {
				_, err := transport.RoundTrip(request)
				if inside := atomic.LoadInt32(&body.inside); inside > 0 {
					t.Error(length, way, "a Read is under way")
				}
				result <- err
			}()
			<-body.begun
			wanted := error(Deadline)
			switch way {
			case "context":
				cancel()
				wanted = context.Canceled
			case "Close":
				transport.Close()
				wanted = ErrClosed
			}
			select {
			case err := <-result:
				if !errors.Is(err, wanted) {
					t.Fatal(length, way, err)
				}
			case <-time.After(20 * time.Second):
				t.Fatal(length, way, "hangs")
			}
			eventually(t, 5*time.Second, func() bool { return goroutinesIn("(*upload).run", ".readAll(") == 0 })
			if late := atomic.LoadInt32(&body.late); late > 0 {
				t.Fatal(length, way, late, "Reads began after Close")
			}
		}
	}
}

// goroutinesIn counts those that have one of some functions in their stack.
func goroutinesIn(names ...string) (count int) {
	stacks := make([]byte, 4<<20)
	for _, one := range bytes.Split(stacks[:runtime.Stack(stacks, true)], []byte("\n\n")) {
		for _, name := range names {
			if bytes.Contains(one, []byte(name)) {
				count++
			}
		}
	}
	return count
}
