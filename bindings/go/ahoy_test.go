package ahoy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"time"
)

// servers starts the suite's server; the hosts are in the order of the kinds.
func servers(t testing.TB, kinds ...string) []string {
	t.Helper()
	command := exec.Command("/usr/bin/python3", append([]string{"../suite/server.py"}, kinds...)...)
	command.Stderr = os.Stderr
	input, _ := command.StdinPipe()
	output, _ := command.StdoutPipe()
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { input.Close(); command.Wait() })
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var hosts []string
	for _, port := range strings.Fields(line) {
		hosts = append(hosts, "127.0.0.1:"+port)
	}
	return hosts
}

// full is a number for each run, or the one that is asked for, which AHOY_FULL=1 takes: `make acceptance-languages`.
func full(usual, asked int) int {
	if os.Getenv("AHOY_FULL") != "" {
		return asked
	}
	return usual
}

func client(t testing.TB, config Config) *Client {
	t.Helper()
	made, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { made.Close() })
	return made
}

func text(t testing.TB, response *http.Response, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func brokenOffAt(t testing.TB, host string) int {
	t.Helper()
	response, err := http.Get("http://" + host + "/counts")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var counts struct {
		BrokenOff int `json:"broken_off"`
	}
	json.NewDecoder(response.Body).Decode(&counts)
	return counts.BrokenOff
}

func eventually(t testing.TB, limit time.Duration, condition func() bool) time.Duration {
	t.Helper()
	begun := time.Now()
	for !condition() {
		if time.Since(begun) > limit {
			t.Fatalf("not after %v", limit)
		}
		time.Sleep(2 * time.Millisecond)
	}
	return time.Since(begun)
}

func TestADeadHostCostsNoCall(t *testing.T) {
	client := client(t, Config{Hosts: servers(t, "refuse", "ok", "refuse"), Timeout: 5 * time.Second})
	for i := 0; i < 9; i++ {
		response, err := client.Get(context.Background(), "/ok")
		if got := text(t, response, err); got != "hello" {
			t.Fatal(got)
		}
		if len(Attempts(response)) == 0 {
			t.Fatal("no attempt is told")
		}
	}
}

// What http.Client's users rely on, with libahoy as its transport.
func TestTransport(t *testing.T) {
	hosts := servers(t, "ok")
	transport := client(t, Config{Hosts: hosts, Timeout: 5 * time.Second})
	standard := &http.Client{Transport: transport}

	t.Run("redirects", func(t *testing.T) {
		response, err := standard.Get("http://orders/redirect?to=/ok")
		if got := text(t, response, err); got != "hello" || response.Request.URL.Path != "/ok" {
			t.Fatal(got, response.Request.URL)
		}
	})
	t.Run("headers", func(t *testing.T) {
		request, _ := http.NewRequest("PURGE", "http://orders/echo?a=b", nil)
		request.Header.Add("X-Two", "1")
		request.Header.Add("X-Two", "2")
		request.SetBasicAuth("u", "p")
		response, err := standard.Do(request)
		got := text(t, response, err)
		for _, wanted := range []string{`"method": "PURGE"`, `"target": "/echo?a=b"`, `["X-Two", "1"]`, `["X-Two", "2"]`, "Basic dTpw"} {
			if !strings.Contains(got, wanted) && !strings.Contains(strings.ToLower(got), strings.ToLower(wanted)) {
				t.Errorf("%s is not in %s", wanted, got)
			}
		}
		if response.Header.Get("Content-Type") != "application/json" || response.ContentLength <= 0 {
			t.Error(response.Header, response.ContentLength)
		}
	})
	t.Run("bodies", func(t *testing.T) {
		large := bytes.Repeat([]byte("x"), 3<<20)
		for name, body := range map[string]io.Reader{
			"small":   strings.NewReader("small"),
			"large":   bytes.NewReader(large),
			"unknown": io.MultiReader(strings.NewReader("a"), bytes.NewReader(large)),
			"slow":    &slow{pieces: 20},
		} {
			response, err := standard.Post("http://orders/body", "text/plain", body)
			got := text(t, response, err)
			wanted := map[string]int{"small": 5, "large": 3 << 20, "unknown": 3<<20 + 1, "slow": 20}[name]
			if len(got) != wanted {
				t.Errorf("%s: %d bytes of %d", name, len(got), wanted)
			}
		}
	})
	t.Run("a body that fails", func(t *testing.T) {
		_, err := standard.Post("http://orders/body", "text/plain", io.MultiReader(strings.NewReader("a"), failing{}))
		if !errors.Is(err, BodySource) || !errors.Is(err, errFailing) || !strings.Contains(err.Error(), "AHOY_E_BODY_SOURCE: "+errFailing.Error()) {
			t.Fatal(err)
		}
	})
	t.Run("GetBody repeats", func(t *testing.T) {
		request, _ := http.NewRequest("PUT", "http://orders/flaky?n=2&key=getbody", bytes.NewReader(bytes.Repeat([]byte("x"), 2<<20)))
		response, err := standard.Do(request)
		if got := text(t, response, err); got != "at last" || len(Attempts(response)) != 3 {
			t.Fatal(got, Attempts(response))
		}
	})
	t.Run("an idempotency key repeats", func(t *testing.T) {
		request, _ := http.NewRequest("POST", "http://orders/flaky?n=1&key=idempotency", strings.NewReader("x"))
		request.Header.Set("Idempotency-Key", "7")
		response, err := standard.Do(request)
		if got := text(t, response, err); got != "at last" || len(Attempts(response)) != 2 {
			t.Fatal(got, Attempts(response))
		}
	})
	t.Run("gzip", func(t *testing.T) {
		response, err := standard.Get("http://orders/gzip")
		if got := text(t, response, err); got != "hello" {
			t.Fatal(got)
		}
	})
	t.Run("close without read", func(t *testing.T) {
		before := brokenOffAt(t, hosts[0])
		response, err := standard.Get("http://orders/drip?n=500&ms=20")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		eventually(t, 5*time.Second, func() bool { return brokenOffAt(t, hosts[0]) == before+1 })
		if _, err := response.Body.Read(make([]byte, 1)); err == nil {
			t.Fatal("read after close")
		}
	})
	t.Run("close beside a read", func(t *testing.T) {
		before := brokenOffAt(t, hosts[0])
		response, err := standard.Get("http://orders/drip?n=2&ms=20000")
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(20*time.Millisecond, func() { response.Body.Close() })
		begun := time.Now()
		if _, err := io.ReadAll(response.Body); err == nil || time.Since(begun) > 5*time.Second {
			t.Fatal(err, time.Since(begun))
		}
		eventually(t, 5*time.Second, func() bool { return brokenOffAt(t, hosts[0]) == before+1 })
	})
	t.Run("a body that breaks off", func(t *testing.T) {
		response, err := standard.Get("http://orders/cut")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(response.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
	})
	t.Run("head", func(t *testing.T) {
		response, err := standard.Head("http://orders/ok")
		if got := text(t, response, err); got != "" || response.ContentLength != 5 {
			t.Fatal(got, response.ContentLength)
		}
	})
}

type slow struct{ pieces int }

func (s *slow) Read(into []byte) (int, error) {
	if s.pieces == 0 {
		return 0, io.EOF
	}
	s.pieces--
	time.Sleep(time.Millisecond)
	return copy(into, "."), nil
}

type failing struct{}

var errFailing = errors.New("from the reader")

func (failing) Read([]byte) (int, error) { return 0, errFailing }

// here is a server of this process.
func here(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return strings.TrimPrefix(server.URL, "http://")
}

// What a Response has of an answer's head is what net/http's own transport makes of it.
func TestAnswersAreThoseOfNetHTTP(t *testing.T) {
	host := here(t, func(writer http.ResponseWriter, request *http.Request) {
		switch request.URL.Path {
		case "/chunked":
			io.WriteString(writer, "a")
			writer.(http.Flusher).Flush()
			io.WriteString(writer, "b")
		case "/204", "/304":
			status, _ := strconv.Atoi(request.URL.Path[1:])
			writer.WriteHeader(status)
		case "/close":
			writer.Header().Set("Connection", "close")
		case "/gzip":
			writer.Header().Set("Content-Encoding", "gzip")
			io.WriteString(writer, "as it is")
		}
	})
	standard := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	undecoding := &http.Client{Transport: client(t, Config{Hosts: []string{host}, Options: map[string]string{"gzip": "false"}})}
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		for _, path := range []string{"/chunked", "/204", "/304", "/close", "/gzip"} {
			told := []string{}
			for _, one := range []*http.Client{standard, undecoding} {
				request, _ := http.NewRequest(method, "http://"+host+path, nil)
				response, err := one.Do(request)
				content := text(t, response, err)
				response.Header.Del("Date")
				told = append(told, fmt.Sprintf("%q %v %d %v close: %v, decoded: %v, %v", content, response.Status,
					response.ContentLength, response.TransferEncoding, response.Close, response.Uncompressed, response.Header))
			}
			if told[0] != told[1] {
				t.Errorf("%s %s: %s\nand of net/http %s", method, path, told[1], told[0])
			}
		}
	}
}

// stalled is a body of which nothing comes until it is closed.
type stalled struct {
	ended chan struct{}
	once  sync.Once
}

func (s *stalled) Read([]byte) (int, error) { <-s.ended; return 0, io.ErrClosedPipe }
func (s *stalled) Close() error             { s.once.Do(func() { close(s.ended) }); return nil }

func TestABodyThatStallsHasTheCallsLimits(t *testing.T) {
	hosts := servers(t, "ok")
	for _, length := range []int64{100, 5 << 20, -1} {
		for _, own := range []bool{false, true} {
			config, ctx, cancel := Config{Hosts: hosts, Timeout: 60 * time.Millisecond}, context.Background(), func() {}
			if own {
				config.Timeout = 0
				ctx, cancel = context.WithTimeout(ctx, 60*time.Millisecond)
			}
			body := &stalled{ended: make(chan struct{})}
			request, _ := http.NewRequestWithContext(ctx, http.MethodPost, "http://orders/body", body)
			request.ContentLength = length
			_, err := client(t, config).RoundTrip(request)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(length, own, err)
			}
			cancel()
			<-body.ended
		}
	}
	// The Close of a server's request waits for the Read of it.
	ended := make(chan error, 1)
	front := here(t, func(_ http.ResponseWriter, inbound *http.Request) {
		ctx, cancel := context.WithTimeout(context.Background(), 60*time.Millisecond)
		defer cancel()
		request, _ := http.NewRequestWithContext(ctx, http.MethodPost, "http://orders/body", inbound.Body)
		request.ContentLength = map[string]int64{"/known": inbound.ContentLength, "/unknown": -1}[inbound.URL.Path]
		_, err := client(t, Config{Hosts: hosts}).RoundTrip(request)
		ended <- err
	})
	for _, path := range []string{"/known", "/unknown"} {
		connection, err := net.Dial("tcp", front)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(connection, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\na", path)
		select {
		case err = <-ended:
		case <-time.After(10 * time.Second):
		}
		connection.Close()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(path, err)
		}
	}
	reader, writer := io.Pipe()
	time.AfterFunc(50*time.Millisecond, func() { io.WriteString(writer, "late"); writer.Close() })
	request, _ := http.NewRequest(http.MethodPut, "http://orders/body", reader)
	request.ContentLength = 4
	response, err := client(t, Config{Hosts: hosts}).RoundTrip(request)
	if got := text(t, response, err); got != "late" {
		t.Fatal(got)
	}
}

// No server is to take the first bytes of a body for all of it.
func TestABodyLongerThanItsLengthFails(t *testing.T) {
	var whole int32
	host := here(t, func(writer http.ResponseWriter, request *http.Request) {
		if count, err := io.Copy(io.Discard, request.Body); err == nil {
			atomic.AddInt32(&whole, 1)
			fmt.Fprint(writer, count)
		}
	})
	client := client(t, Config{Hosts: []string{host}, Timeout: 10 * time.Second})
	send := func(length int64, body io.Reader) (*http.Response, error) {
		request, _ := http.NewRequest(http.MethodPost, "http://orders/", io.NopCloser(body))
		request.ContentLength = length
		return client.RoundTrip(request)
	}
	for _, length := range []int64{5, 1 << 20, 1<<20 + 1, 2 << 20} {
		content := bytes.Repeat([]byte("x"), int(length))
		for _, more := range []int{1, 1 << 20} {
			_, err := send(length, bytes.NewReader(append(content, make([]byte, more)...)))
			var failed *Error
			if !errors.As(err, &failed) || !strings.Contains(err.Error(), fmt.Sprintf("more bytes than the %d of ContentLength", length)) {
				t.Fatal(length, more, err)
			}
			if length > 1<<20 && failed.Code != BodySource || !errors.Is(err, InvalidArgument) {
				t.Fatal(length, more, err)
			}
		}
		_, err := send(length, io.MultiReader(bytes.NewReader(content), failing{}))
		if !errors.Is(err, errFailing) {
			t.Fatal(length, err)
		}
		if atomic.LoadInt32(&whole) != 0 {
			t.Fatal(length, "a body that is longer was taken for a whole one")
		}
		for _, body := range []io.Reader{bytes.NewReader(content), iotest.DataErrReader(bytes.NewReader(content)), iotest.HalfReader(bytes.NewReader(content))} {
			response, err := send(length, body)
			if got := text(t, response, err); got != fmt.Sprint(length) {
				t.Fatal(length, got)
			}
		}
		atomic.StoreInt32(&whole, 0)
	}
}

// What a server sees of a request's body is what net/http's own transport sends.
func TestBodiesAreThoseOfNetHTTP(t *testing.T) {
	host := here(t, func(writer http.ResponseWriter, request *http.Request) {
		content, _ := io.ReadAll(request.Body)
		writer.Header().Set("Seen", fmt.Sprint(request.ContentLength, request.TransferEncoding, string(content)))
	})
	transports := []http.RoundTripper{&http.Transport{}, client(t, Config{Hosts: []string{host}, Timeout: 10 * time.Second})}
	for _, method := range []string{"", "GET", "HEAD", "DELETE", "OPTIONS", "PROPFIND", "SEARCH", "POST", "PUT", "REPORT"} {
		for name, body := range map[string]func() io.Reader{
			"empty": func() io.Reader { return strings.NewReader("") },
			"full":  func() io.Reader { return strings.NewReader("abc") },
			"late": func() io.Reader {
				reader, writer := io.Pipe()
				time.AfterFunc(300*time.Millisecond, func() { io.WriteString(writer, "late"); writer.Close() })
				return reader
			},
		} {
			if name == "late" && method != "GET" && method != "POST" {
				continue // which takes its time
			}
			for _, length := range []int64{0, -1} {
				seen := []string{}
				for _, one := range transports {
					var open int32 = 1
					request, _ := http.NewRequest(method, "http://"+host+"/", nil)
					request.Method, request.ContentLength = method, length
					request.Body = &counted{body(), &open}
					response, err := one.RoundTrip(request)
					text(t, response, err)
					seen = append(seen, response.Header.Get("Seen"))
					eventually(t, 5*time.Second, func() bool { return atomic.LoadInt32(&open) == 0 })
				}
				if seen[0] != seen[1] {
					t.Errorf("%s, %s: %s, and of net/http %s", method, name, seen[1], seen[0])
				}
			}
		}
	}
	for _, one := range transports {
		request, _ := http.NewRequest(http.MethodPost, "http://"+host+"/", nil)
		request.ContentLength = 5
		if _, err := one.RoundTrip(request); err == nil || !strings.Contains(err.Error(), "nil") {
			t.Fatal(err)
		}
		request.Body = http.NoBody
		response, err := one.RoundTrip(request)
		if text(t, response, err); response.Header.Get("Seen") != "0 []" {
			t.Fatal(response.Header)
		}
	}
}

// net/http takes an empty User-Agent for none; the library, which cannot, takes it for its own.
func TestNoUserAgentIsEmpty(t *testing.T) {
	host := here(t, func(writer http.ResponseWriter, request *http.Request) {
		writer.Header()["Seen"] = request.Header["User-Agent"]
	})
	client := client(t, Config{Hosts: []string{host}})
	for agent, wanted := range map[string]string{"": "ahoy/", "mine": "mine"} {
		request, _ := http.NewRequest(http.MethodGet, "http://orders/", nil)
		request.Header.Set("User-Agent", agent)
		response, err := client.RoundTrip(request)
		text(t, response, err)
		if seen := response.Header["Seen"]; len(seen) != 1 || !strings.HasPrefix(seen[0], wanted) {
			t.Errorf("%q became %q", agent, seen)
		}
	}
}

// A body that pauses is read until its context's deadline, as with net/http, unless a setting says how long it may pause.
func TestTheDeadlineOfAContextLimitsPauses(t *testing.T) {
	host := here(t, func(writer http.ResponseWriter, request *http.Request) {
		io.WriteString(writer, "a")
		writer.(http.Flusher).Flush()
		pause, _ := time.ParseDuration(request.URL.Query().Get("pause"))
		time.Sleep(pause)
		io.WriteString(writer, "b")
	})
	config := func(change func(*Config)) Config {
		made := Config{Hosts: []string{host}}
		change(&made)
		return made
	}
	unset := client(t, config(func(*Config) {}))
	changed := client(t, config(func(*Config) {}))
	if err := changed.Reconfigure(`{"attempt_timeout": "50ms"}`); err != nil {
		t.Fatal(err)
	}
	for client, limited := range map[*Client]bool{
		unset:   false,
		changed: true,
		client(t, config(func(c *Config) { c.AttemptTimeout = 50 * time.Millisecond })):                              true,
		client(t, config(func(c *Config) { c.Options = map[string]string{"body_idle_timeout": "50ms"} })):            true,
		client(t, Config{JSON: `{"hosts": ["` + host + `"], "body_idle_timeout": "50ms"}`}):                          true,
		client(t, Config{JSON: `{"hosts": ["` + host + `"]}`}):                                                       false,
		client(t, config(func(c *Config) { c.Options = map[string]string{"body_idle_timeout": "forever"} })):         false,
		client(t, Config{JSON: `{"hosts": ["` + host + `"], "attempt_timeout": "50ms", "body_idle_timeout": "1m"}`}): false,
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		response, err := client.Get(ctx, "/?pause=200ms")
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(response.Body)
		response.Body.Close()
		cancel()
		if limited != errors.Is(err, Timeout) || !limited && string(content) != "ab" {
			settings, _ := client.Settings()
			t.Fatal(string(content), err, settings)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	response, err := unset.Get(ctx, "/?pause=1s")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if content, err := io.ReadAll(response.Body); string(content) != "a" || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(string(content), err)
	}
	// Where no deadline ends it, the library's own limit of 10 s does.
	for _, has := range []bool{false, true} {
		request, _ := http.NewRequest(http.MethodGet, "http://orders/", nil)
		if has {
			request = request.WithContext(ctx)
		}
		if asked, err := unset.read(request); err != nil || has != (asked.idle != 0) {
			t.Fatal(has, err)
		}
	}
	if testing.Short() {
		return
	}
	ctx, cancel = context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	response, err = unset.Get(ctx, "/?pause=11s")
	if got := text(t, response, err); got != "ab" {
		t.Fatal(got)
	}
}

// counted is a body whose closing is counted.
type counted struct {
	io.Reader
	open *int32
}

func (c *counted) Close() error { atomic.AddInt32(c.open, -1); return nil }

// An attempt that ended in the middle of a body leaves neither its reader nor a goroutine.
func TestABodyThatIsSentAgainLeavesNothing(t *testing.T) {
	var asked, open int32
	host := here(t, func(writer http.ResponseWriter, request *http.Request) {
		if atomic.AddInt32(&asked, 1)%2 == 0 {
			io.Copy(io.Discard, request.Body)
			return
		}
		io.CopyN(io.Discard, request.Body, 100000)
		connection, _, _ := writer.(http.Hijacker).Hijack()
		connection.(*net.TCPConn).SetLinger(0)
		connection.Close()
	})
	client := client(t, Config{Hosts: []string{host}, Timeout: 10 * time.Second})
	content := bytes.Repeat([]byte("x"), 20<<20)
	goroutines := 0
	for i := 0; i < 6; i++ {
		request, _ := http.NewRequest(http.MethodPut, "http://orders/", nil)
		request.GetBody = func() (io.ReadCloser, error) {
			atomic.AddInt32(&open, 1)
			return &counted{bytes.NewReader(content), &open}, nil
		}
		request.Body, _ = request.GetBody()
		request.ContentLength = int64(len(content))
		response, err := client.RoundTrip(request)
		text(t, response, err)
		if len(Attempts(response)) != 2 {
			t.Fatal(Attempts(response))
		}
		if i == 0 {
			goroutines = runtime.NumGoroutine()
		}
	}
	eventually(t, 5*time.Second, func() bool { return atomic.LoadInt32(&open) == 0 && runtime.NumGoroutine() <= goroutines+2 })
}

func TestAbsoluteURLs(t *testing.T) {
	hosts := servers(t, "ok")
	response, err := client(t, Config{}).Get(context.Background(), "http://"+hosts[0]+"/ok")
	if got := text(t, response, err); got != "hello" {
		t.Fatal(got)
	}
}

// Of a URL as it was written, what no request line can carry goes percent-encoded, and all else as net/http sends it.
func TestTargetsGoAsTheyAreOrEncoded(t *testing.T) {
	host := here(t, func(writer http.ResponseWriter, request *http.Request) { io.WriteString(writer, request.RequestURI) })
	for _, client := range []*Client{client(t, Config{Hosts: []string{host}}), client(t, Config{})} {
		seen := func(whole *url.URL) string {
			t.Helper()
			whole.Scheme, whole.Host = "http", host
			response, err := client.Do(&http.Request{URL: whole})
			return text(t, response, err)
		}
		for query, wanted := range map[string]string{
			"q=é":                        "q=%C3%A9",
			`a b"c<d>e`:                  "a%20b%22c%3Cd%3Ee",
			"a#b":                        "a%23b",
			"a HTTP/1.1\r\nX: y\x00\x7f": "a%20HTTP/1.1%0D%0AX:%20y%00%7F",
			"a|b^c`d{e}\\f[g]'h%zz?i":    "a|b^c`d{e}\\f[g]'h%zz?i",
			"\xff":                       "%FF",
		} {
			if got := seen(&url.URL{Path: "/p", RawQuery: query}); got != "/p?"+wanted {
				t.Errorf("%q became %q", query, got)
			}
		}
		for path, wanted := range map[string]string{
			"/é/a b":       "/%C3%A9/a%20b",
			"/`é\"<|?`é\"": "/%60%C3%A9\"%3C|?`%C3%A9%22",
		} {
			if got := seen(&url.URL{Opaque: path}); got != wanted {
				t.Errorf("%q became %q", path, got)
			}
		}
		// Whatever the byte is, the library takes what it becomes.
		for one := 0; one < 256; one++ {
			raw, encoded := string([]byte{byte(one)}), fmt.Sprintf("%%%02X", one)
			if raw == "%" {
				raw = "%25" // net/http's server takes no other
			}
			for _, whole := range []*url.URL{{Opaque: "/p" + raw}, {Path: "/p", RawQuery: raw}} {
				if got := strings.TrimPrefix(strings.TrimPrefix(seen(whole), "/p"), "?"); got != raw && got != encoded && raw != "?" {
					t.Errorf("%q became %q", raw, got)
				}
			}
		}
		response, err := client.Get(context.Background(), "http://"+host+"/ö b?q=ü \"x\"#part")
		if got := text(t, response, err); got != "/%C3%B6%20b?q=%C3%BC%20%22x%22" {
			t.Error(got)
		}
	}
	for _, request := range []*http.Request{
		{Method: "GET\x00/other", URL: &url.URL{Path: "/"}}, {Host: "a\x00b", URL: &url.URL{Path: "/"}},
	} {
		if _, err := client(t, Config{Hosts: []string{host}}).Do(request); !errors.Is(err, InvalidArgument) || !strings.Contains(err.Error(), "NUL") {
			t.Error(err)
		}
	}
}

// Do and what goes by it take user and password of a URL as net/http's client does, and RoundTrip as its transport does.
func TestCredentialsOfAURL(t *testing.T) {
	host := here(t, func(writer http.ResponseWriter, request *http.Request) {
		fmt.Fprint(writer, request.Header["Authorization"])
	})
	for _, client := range []*Client{client(t, Config{Hosts: []string{host}}), client(t, Config{})} {
		for whole, wanted := range map[string]string{
			"http://u:p@" + host + "/":          "[Basic dTpw]",
			"http://u@" + host + "/":            "[Basic dTo=]",
			"http://%C3%BC:a%3Ab@" + host + "/": "[Basic w7w6YTpi]",
			"http://" + host + "/":              "[]",
		} {
			response, err := client.Get(context.Background(), whole)
			if got := text(t, response, err); got != wanted {
				t.Errorf("%s went with %s", whole, got)
			}
			response, err = (&http.Client{Transport: client}).Get(whole)
			if got := text(t, response, err); got != wanted {
				t.Errorf("%s went with %s by http.Client", whole, got)
			}
		}
		request, _ := http.NewRequest(http.MethodGet, "http://u:p@"+host+"/", nil)
		response, err := client.RoundTrip(request)
		if got := text(t, response, err); got != "[]" {
			t.Error(got)
		}
		response, err = client.Do(request)
		if got := text(t, response, err); got != "[Basic dTpw]" || len(request.Header) != 0 {
			t.Error(got, request.Header)
		}
		request.Header.Set("Authorization", "own")
		response, err = client.Do(request)
		if got := text(t, response, err); got != "[own]" {
			t.Error(got)
		}
	}
	_, err := client(t, Config{}).Get(context.Background(), "http://u:hush@/")
	if !errors.Is(err, InvalidArgument) || strings.Contains(err.Error(), "hush") {
		t.Fatal(err)
	}
}

func TestAnInternationalHostIsToldByItsName(t *testing.T) {
	made := client(t, Config{})
	for _, whole := range []string{"http://bücher.example/", "http://b%C3%BCcher.example:8080/x"} {
		for _, get := range []func() (*http.Response, error){
			func() (*http.Response, error) { return made.Get(context.Background(), whole) },
			func() (*http.Response, error) { return (&http.Client{Transport: made}).Get(whole) },
		} {
			_, err := get()
			if !errors.Is(err, InvalidArgument) || !strings.Contains(err.Error(), "bücher.example") || !strings.Contains(err.Error(), "xn--") {
				t.Error(err)
			}
		}
	}
}

// A JSON text says by itself whether the client has hosts, and so does the one that replaces it.
func TestJSONMayHaveNoHosts(t *testing.T) {
	hosts := servers(t, "ok")
	whole := "http://" + hosts[0] + "/ok"
	made := client(t, Config{JSON: `{"timeout": "5s"}`})
	response, err := made.Get(context.Background(), whole)
	if got := text(t, response, err); got != "hello" {
		t.Fatal(got)
	}
	response, err = (&http.Client{Transport: made}).Get(whole)
	if got := text(t, response, err); got != "hello" {
		t.Fatal(got)
	}
	if _, err := made.Get(context.Background(), "/ok"); !errors.Is(err, InvalidArgument) || !strings.Contains(err.Error(), "has no hosts") {
		t.Fatal(err)
	}
	if _, err := made.Explain(); !errors.Is(err, InvalidArgument) || !strings.Contains(err.Error(), "neither hosts nor a provider") {
		t.Fatal(err)
	}
	if err := made.Reconfigure(`{"hosts": ["` + hosts[0] + `"]}`); err != nil {
		t.Fatal(err)
	}
	for _, balanced := range []*Client{made, client(t, Config{JSON: `{"hosts": ["` + hosts[0] + `"]}`})} {
		response, err = balanced.Get(context.Background(), "/ok")
		if got := text(t, response, err); got != "hello" {
			t.Fatal(got)
		}
		if explained, err := balanced.Explain(); err != nil || !strings.Contains(explained, hosts[0]) {
			t.Fatal(explained, err)
		}
	}
	response, err = client(t, Config{JSON: `{"base_url": "http://` + hosts[0] + `"}`}).Get(context.Background(), "/ok")
	if got := text(t, response, err); got != "hello" {
		t.Fatal(got)
	}
}

func TestAPathNeedsHosts(t *testing.T) {
	_, err := client(t, Config{}).Get(context.Background(), "/orders")
	if !errors.Is(err, InvalidArgument) || !strings.Contains(err.Error(), "/orders") {
		t.Fatal(err)
	}
}

func TestCancelReachesTheServer(t *testing.T) {
	hosts := servers(t, "ok")
	client := client(t, Config{Hosts: hosts})
	ctx, cancel := context.WithCancel(context.Background())
	var stopped time.Time
	time.AfterFunc(50*time.Millisecond, func() { stopped = time.Now(); cancel() })
	_, err := client.Get(ctx, "/slow?ms=10000")
	took := time.Since(stopped)
	if !errors.Is(err, context.Canceled) || took > time.Second {
		t.Fatal(err, took)
	}
	seen := eventually(t, 5*time.Second, func() bool { return brokenOffAt(t, hosts[0]) == 1 })
	t.Logf("returned after %v, seen by the server within %v", took, seen)

	response, err := client.Get(context.Background(), "/drip?n=3&ms=10")
	if got := text(t, response, err); got != "..." {
		t.Fatal(got)
	}
	ctx, cancel = context.WithCancel(context.Background())
	response, err = client.Get(ctx, "/drip?n=500&ms=20")
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := io.ReadAll(response.Body); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, func() bool { return brokenOffAt(t, hosts[0]) == 2 })
}

// The context ends an exchange whose body is neither read nor closed too, and leaves nothing.
func TestTheContextEndsABodyThatNobodyReads(t *testing.T) {
	hosts := servers(t, "ok")
	client := client(t, Config{Hosts: hosts, Timeout: 30 * time.Second})
	get := func(ctx context.Context) *http.Response {
		t.Helper()
		response, err := client.Get(ctx, "/drip?n=3000&ms=20")
		if err != nil {
			t.Fatal(err)
		}
		return response
	}
	response := get(context.Background())
	response.Body.Close()
	eventually(t, 20*time.Second, func() bool { return brokenOffAt(t, hosts[0]) == 1 })
	http.DefaultClient.CloseIdleConnections()
	goroutines := runtime.NumGoroutine()
	for i, ended := range []error{context.Canceled, context.DeadlineExceeded} {
		ctx, cancel := context.WithCancel(context.Background())
		if ended == context.DeadlineExceeded {
			cancel()
			ctx, cancel = context.WithTimeout(context.Background(), 3*time.Second)
		}
		response := get(ctx)
		if ended == context.Canceled {
			cancel()
		}
		eventually(t, 20*time.Second, func() bool { return brokenOffAt(t, hosts[0]) == 2+i })
		if _, err := io.ReadAll(response.Body); !errors.Is(err, ended) {
			t.Fatal(err)
		}
		if err := response.Body.Close(); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	const calls = 20
	few := func() bool {
		http.DefaultClient.CloseIdleConnections()
		return runtime.NumGoroutine() <= goroutines+2
	}
	// One that has no end has nothing wait for it.
	var open []*http.Response
	for i := 0; i < calls; i++ {
		open = append(open, get(context.Background()))
	}
	eventually(t, 20*time.Second, few)
	for _, response := range open {
		response.Body.Close()
	}
	open = nil
	// Nor does anything wait where the body was closed, or read to its end.
	for i := 0; i < calls; i++ {
		get(ctx).Body.Close()
		response, err := client.Get(ctx, "/drip?n=2&ms=5")
		text(t, response, err)
	}
	eventually(t, 20*time.Second, few)
	// And a body that was dropped is closed by the collector all the same.
	seen := 3 + 2*calls
	eventually(t, 20*time.Second, func() bool { return brokenOffAt(t, hosts[0]) == seen })
	for i := 0; i < calls; i++ {
		get(ctx)
	}
	eventually(t, 20*time.Second, func() bool { runtime.GC(); return brokenOffAt(t, hosts[0]) == seen+calls })
	eventually(t, 20*time.Second, few)
}

// Calls that are made one at a time wait in the library at first: what ends one by its context or by Close is seen then too,
// and after that.
func TestCallsOneAtATime(t *testing.T) {
	hosts := servers(t, "ok")
	client := client(t, Config{Hosts: hosts, Timeout: 30 * time.Second})
	for i := 0; i < 2*settled; i++ {
		response, err := client.Get(context.Background(), "/ok")
		if got := text(t, response, err); got != "hello" {
			t.Fatal(got)
		}
	}
	if !client.company.join() && runtime.GOMAXPROCS(0) > 1 {
		t.Fatal("such calls are not told from others")
	}
	client.company.leave()
	response, err := client.Get(context.Background(), "/slow?ms=50")
	if got := text(t, response, err); got != "late" {
		t.Fatal(got)
	}
	for _, after := range []time.Duration{time.Millisecond, 50 * time.Millisecond} {
		before := brokenOffAt(t, hosts[0])
		ctx, cancel := context.WithCancel(context.Background())
		var stopped time.Time
		time.AfterFunc(after, func() { stopped = time.Now(); cancel() })
		_, err := client.Get(ctx, "/slow?ms=10000")
		took := time.Since(stopped)
		t.Logf("returned %v after a cancel after %v", took, after)
		if !errors.Is(err, context.Canceled) || took > time.Duration(full(1000, 10))*time.Millisecond {
			t.Fatal(err, took)
		}
		eventually(t, 5*time.Second, func() bool { return brokenOffAt(t, hosts[0]) == before+1 })
	}
	_, err = client.Get(context.Background(), "/reset")
	if !errors.Is(err, ConnectionLost) {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, func() { client.Close() })
	if _, err = client.Get(context.Background(), "/slow?ms=10000"); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

// slowServer answers after 300 ms, in a process of its own and by what little takes no time of the clients' beside: that of
// Python would be what is measured.
func slowServer(t *testing.T) string {
	t.Helper()
	command := exec.Command(os.Args[0], "-test.run=TestSlowServer")
	command.Env = append(os.Environ(), "AHOY_SLOW_SERVER=1")
	command.Stderr = os.Stderr
	input, _ := command.StdinPipe()
	output, _ := command.StdoutPipe()
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { input.Close(); command.Wait() })
	address, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(address)
}

// TestSlowServer is the server, and ends with its input.
func TestSlowServer(t *testing.T) {
	if os.Getenv("AHOY_SLOW_SERVER") == "" {
		t.Skip("the server of another test")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(listener.Addr())
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go serveSlowly(connection)
		}
	}()
	io.Copy(io.Discard, os.Stdin)
}

// serveSlowly expects requests without a body, each in one piece.
func serveSlowly(connection net.Conn) {
	defer connection.Close()
	head := make([]byte, 1024)
	for {
		if _, err := connection.Read(head); err != nil {
			return
		}
		time.Sleep(300 * time.Millisecond)
		io.WriteString(connection, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
	}
}

func TestManyGoroutinesHoldNoThread(t *testing.T) {
	calls := 10000
	if testing.Short() {
		calls = 1000
	}
	var limit syscall.Rlimit
	syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	if most := int(limit.Max) / 2; calls > most {
		t.Logf("at most %d descriptors, so only %d calls of %d are made", limit.Max, most, calls)
		calls = most
	}
	limit.Cur = limit.Max
	syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	client := client(t, Config{
		Hosts: []string{slowServer(t)}, Timeout: 60 * time.Second,
		Options: map[string]string{"max_connections_per_endpoint": "off", "connect_timeout": "30s"},
	})
	begun := time.Now()
	var group sync.WaitGroup
	failed := make(chan error, calls)
	for i := 0; i < calls; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			response, err := client.Get(context.Background(), "/")
			if err == nil {
				response.Body.Close()
			} else {
				failed <- err
			}
		}()
	}
	group.Wait()
	took, threads := time.Since(begun), pprof.Lookup("threadcreate").Count()
	t.Logf("%d calls of 300 ms in %v, %d threads", calls, took, threads)
	if len(failed) > 0 {
		t.Fatalf("%d failed: %v", len(failed), <-failed)
	}
	if threads > runtime.GOMAXPROCS(0)+20 {
		t.Fatal(threads)
	}
	if limit := time.Duration(full(60000, 1500)) * time.Millisecond; took > limit {
		t.Fatalf("%v, and not %v", took, limit)
	}
}

func TestErrors(t *testing.T) {
	hosts := servers(t, "refuse", "ok")
	_, err := client(t, Config{Hosts: hosts[:1]}).Get(context.Background(), "/ok")
	var failed *Error
	if !errors.Is(err, Connect) || !errors.As(err, &failed) || len(failed.Attempts) == 0 || !strings.Contains(err.Error(), hosts[0]) {
		t.Fatal(err)
	}
	well := client(t, Config{Hosts: hosts[1:]})
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Millisecond)
	defer cancel()
	_, err = well.Get(ctx, "/slow?ms=5000")
	var timeout net.Error
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatal(err)
	}
	_, err = client(t, Config{Hosts: hosts[1:], Timeout: 60 * time.Millisecond}).Get(context.Background(), "/slow?ms=5000")
	if !errors.Is(err, Deadline) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	for _, config := range []Config{
		{Hosts: []string{"a:b:c"}}, {Hosts: hosts, Balancer: "best"}, {Options: map[string]string{"max_in_fligt": "1"}},
		{Hosts: []string{"127.0.0.1:99999"}}, {Hosts: hosts, Timeout: -time.Second}, {CAPEM: []byte("no pem")}, {Header: http.Header{"X": {"a\r\nb"}}},
		{Hosts: hosts, AttemptTimeout: -time.Second}, {Hosts: hosts, ProviderURL: "etcd://127.0.0.1:1/x"}, {KeyPEM: []byte("alone")},
		{JSON: `{"hosts": ["127.0.0.1:80"]}`, Balancer: "random"}, {JSON: `{"hosts": ["127.0.0.1:80"]}`, BalancerFunc: func(int) int { return 0 }},
		{BalancerOptions: map[string]string{"hash_header": "x"}}, {Hosts: hosts, ProviderOptions: map[string]string{"token": "x"}},
		{Hosts: hosts, Options: map[string]string{"retry_tries": "3\x00x"}}, {HostList: []Host{{Address: "127.0.0.1\x00x", Port: 80}}},
	} {
		if _, err := New(config); err == nil {
			t.Errorf("%+v was taken", config)
		}
	}
	if _, err := New(Config{Options: map[string]string{"retry_trys": "3"}}); !errors.Is(err, UnknownOption) || !strings.Contains(err.Error(), "retry_trys") {
		t.Fatal(err)
	}
	for _, name := range []string{"prequal", "prequal:"} {
		if _, err := New(Config{Hosts: hosts, Balancer: name}); !errors.Is(err, InvalidArgument) || !strings.Contains(err.Error(), "write prequal:/path") {
			t.Fatal(err)
		}
	}
	if _, err := well.RoundTrip(&http.Request{}); !errors.Is(err, InvalidArgument) {
		t.Fatal(err)
	}
	if _, err := client(t, Config{}).Explain(); !errors.Is(err, InvalidArgument) || strings.Contains(err.Error(), "NULL") {
		t.Fatal(err)
	}
}

func TestAHostMayLeaveOutItsPort(t *testing.T) {
	for text, want := range map[string]Host{
		"a":           {Address: "a", Port: 80},
		"a:":          {Address: "a", Port: 80},
		"https://a:/": {Address: "a", Port: 443, Scheme: "https"},
		"[::1]:":      {Address: "::1", Port: 80},
		"a:81":        {Address: "a", Port: 81},
	} {
		if got, err := ParseHost(text); got != want || err != nil {
			t.Fatal(text, got, err)
		}
	}
	for _, text := range []string{"me:hush@a", "me:hush@a:x", "https://me:hush@a:80:"} {
		host, err := ParseHost(text)
		if err == nil {
			_, err = New(Config{HostList: []Host{host}})
		}
		if err == nil || strings.Contains(err.Error(), "hush") || !strings.Contains(err.Error(), "holds credentials") {
			t.Error(text, err)
		}
	}
	if _, err := ParseHost("a:x"); err == nil {
		t.Fatal("a:x")
	}
}

func TestAUnixSocketIsAHostByItsPath(t *testing.T) {
	path := t.TempDir() + "/socket"
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })}
	go server.Serve(listener)
	defer server.Close()
	for _, host := range []string{"unix:" + path, "unix://" + path} {
		response, err := client(t, Config{Hosts: []string{host}}).Get(context.Background(), "/")
		if err != nil {
			t.Fatal(host, err)
		}
		response.Body.Close()
		if response.StatusCode != 204 || !strings.HasSuffix(Attempts(response)[0].URL, path) {
			t.Fatal(host, response.StatusCode, Attempts(response))
		}
	}
	if _, err := New(Config{Hosts: []string{"unix:socket"}}); err == nil || !strings.Contains(err.Error(), "unix:socket") {
		t.Fatal(err)
	}
}

func TestOwnProviderAndOwnBalancer(t *testing.T) {
	hosts := servers(t, "ok", "ok")
	asked := 0
	client := client(t, Config{
		Provider: func() ([]Host, error) {
			asked++
			one, _ := ParseHost(hosts[0])
			other, err := ParseHost(hosts[1])
			return []Host{one, other}, err
		},
		BalancerFunc: func(count int) int { return count - 1 },
	})
	for i := 0; i < 4; i++ {
		response, err := client.Get(context.Background(), "/ok")
		text(t, response, err)
		if got := Attempts(response)[0].URL; got != "http://"+hosts[1] {
			t.Fatal(got)
		}
	}
	if asked == 0 {
		t.Fatal("the provider was not asked")
	}
}

func TestMetricsOfSeveralClients(t *testing.T) {
	hosts := servers(t, "ok")
	named := func(name string) *Client {
		return client(t, Config{Hosts: hosts, Options: map[string]string{"name": name}})
	}
	payments, users, other := named("payments"), named("users"), named("users")
	metrics, err := payments.Metrics(users)
	if err != nil || strings.Count(metrics, "# TYPE ahoy_client_active_calls ") != 1 {
		t.Fatal(err, metrics)
	}
	for _, name := range []string{"payments", "users"} {
		if !strings.Contains(metrics, `ahoy_client_active_calls{client="`+name+`"} 0`) {
			t.Fatal(name, metrics)
		}
	}
	if _, err := users.Metrics(other); !errors.Is(err, InvalidArgument) || !strings.Contains(err.Error(), `"users"`) {
		t.Fatal(err)
	}
	other.Close()
	if _, err := payments.Metrics(other); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

func TestLogEventsMetrics(t *testing.T) {
	hosts := servers(t, "refuse", "ok")
	lines, events := make(chan string, 100), make(chan Event, 100)
	client := client(t, Config{
		Hosts: hosts, Balancer: "round_robin", LogLevel: LogDebug,
		OnLog:   func(_ LogLevel, part, message string) { lines <- part + ": " + message },
		OnEvent: func(event Event) { events <- event },
	})
	for i := 0; i < 4; i++ {
		response, err := client.Get(context.Background(), "/ok")
		text(t, response, err)
	}
	for event := range events {
		if event.Endpoint == "http://"+hosts[0] && strings.Contains(event.Text, "opened") {
			break
		}
	}
	if line := <-lines; line == "" {
		t.Fatal("an empty line")
	}
	metrics, err := client.Metrics()
	if err != nil || !strings.Contains(metrics, "# HELP") {
		t.Fatal(err, metrics)
	}
	if err := client.Reconfigure(`{"timeout": "7s"}`); err != nil {
		t.Fatal(err)
	}
	if settings, err := client.Settings(); err != nil || !strings.Contains(settings, `"7s"`) {
		t.Fatal(err, settings)
	}
	if err := client.Reconfigure(`{"timeuot": "1s"}`); err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Fatal(err)
	}
	if explained, err := client.Explain(); err != nil || !strings.Contains(explained, hosts[0]) {
		t.Fatal(err, explained)
	}
}

func TestResourcesStayFlat(t *testing.T) {
	calls := full(1500, 100000)
	client := client(t, Config{Hosts: servers(t, "ok"), Timeout: 5 * time.Second})
	some := func(count int) {
		for i := 0; i < count; i++ {
			ctx, cancel := context.WithCancel(context.Background())
			if i%20 == 0 {
				time.AfterFunc(time.Millisecond, cancel)
				client.Get(ctx, "/slow?ms=1000")
			} else {
				response, err := client.Get(ctx, "/ok")
				text(t, response, err)
			}
			cancel()
		}
		runtime.GC()
	}
	some(calls / 4)
	before, goroutines := resident(t), runtime.NumGoroutine()
	some(calls)
	eventually(t, 5*time.Second, func() bool { return runtime.NumGoroutine() <= goroutines })
	grown := resident(t) - before
	t.Logf("%d KiB more after %d calls, %.1f %%", grown>>10, calls, 100*float64(grown)/float64(before))
	if grown > 16<<20 {
		t.Fatal(grown)
	}
}

func resident(t testing.TB) int {
	var pages, total int
	content, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Sscan(string(content), &total, &pages)
	return pages * os.Getpagesize()
}

func TestAClientThatIsDroppedIsCollected(t *testing.T) {
	hosts := servers(t, "ok")
	goroutines := runtime.NumGoroutine()
	for i := 0; i < 20; i++ {
		dropped, err := New(Config{Hosts: hosts})
		if err != nil {
			t.Fatal(err)
		}
		response, err := dropped.Get(context.Background(), "/ok")
		text(t, response, err)
	}
	eventually(t, 10*time.Second, func() bool { runtime.GC(); return runtime.NumGoroutine() <= goroutines+2 })
}

func TestCloseWithCallsUnderWay(t *testing.T) {
	calls := full(200, 1000)
	client, err := New(Config{Hosts: servers(t, "ok")})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, calls)
	for i := 0; i < calls; i++ {
		go func() {
			_, err := client.Get(context.Background(), "/slow?ms=20000")
			ended <- err
		}()
	}
	time.Sleep(100 * time.Millisecond)
	begun := time.Now()
	client.Close()
	for i := 0; i < calls; i++ {
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Fatal(err)
		}
	}
	if took := time.Since(begun); took > 3*time.Second {
		t.Fatal(took)
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Get(context.Background(), "/ok"); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

// A Close in a function that the library calls cannot wait for that function's end.
func TestCloseInAFunctionThatTheLibraryCalls(t *testing.T) {
	hosts := servers(t, "refuse", "ok")
	list := func() (list []Host, err error) {
		for _, text := range hosts {
			host, failed := ParseHost(text)
			if failed != nil {
				return nil, failed
			}
			list = append(list, host)
		}
		return list, nil
	}
	for name, config := range map[string]func(close func()) Config{
		"OnEvent": func(close func()) Config {
			return Config{Hosts: hosts, Balancer: "round_robin", OnEvent: func(Event) { close() }}
		},
		"OnLog": func(close func()) Config {
			return Config{Hosts: hosts, LogLevel: LogDebug, OnLog: func(LogLevel, string, string) { close() }}
		},
		"Provider": func(close func()) Config {
			return Config{Provider: func() ([]Host, error) { close(); return list() }}
		},
		"BalancerFunc": func(close func()) Config {
			return Config{Hosts: hosts, BalancerFunc: func(count int) int { close(); return count - 1 }}
		},
		"OnEvent that waits for another goroutine": func(close func()) Config {
			return Config{Hosts: hosts, Balancer: "round_robin", OnEvent: func(Event) {
				ended := make(chan struct{})
				go func() { close(); ended <- struct{}{} }()
				<-ended
			}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			goroutines := runtime.NumGoroutine()
			var client *Client
			ready, closed := make(chan struct{}), make(chan struct{})
			var once sync.Once
			client, err := New(config(func() {
				select {
				case <-ready:
					client.Close()
					once.Do(func() { close(closed) })
				default:
				}
			}))
			if err != nil {
				t.Fatal(err)
			}
			close(ready)
			ended := make(chan error, 1)
			go func() {
				for {
					ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
					response, err := client.Get(ctx, "/ok")
					if err == nil {
						response.Body.Close()
					}
					cancel()
					if client.isClosed() {
						ended <- err
						return
					}
				}
			}()
			for _, wait := range []func() <-chan struct{}{
				func() <-chan struct{} { return closed },
				func() <-chan struct{} {
					over := make(chan struct{})
					go func() { <-ended; client.Shutdown(time.Second); close(over) }()
					return over
				},
			} {
				select {
				case <-wait():
				case <-time.After(30 * time.Second):
					t.Fatal("hangs")
				}
			}
			if _, err := client.Get(context.Background(), "/ok"); !errors.Is(err, ErrClosed) {
				t.Fatal(err)
			}
			// What it holds is freed once the function has returned.
			eventually(t, 30*time.Second, func() bool { return runtime.NumGoroutine() <= goroutines })
		})
	}
}

// Shutdown waits for calls, whose answers and bodies reach those that wait for them.
func TestShutdownLosesNoAnswer(t *testing.T) {
	var seen int32
	host := here(t, func(writer http.ResponseWriter, request *http.Request) {
		atomic.AddInt32(&seen, 1)
		time.Sleep(40 * time.Millisecond)
		io.WriteString(writer, "a")
		writer.(http.Flusher).Flush()
		time.Sleep(5 * time.Millisecond)
		io.WriteString(writer, "b")
	})
	for round := 0; round < 10; round++ {
		client, err := New(Config{Hosts: []string{host}, Timeout: 20 * time.Second, AttemptTimeout: 20 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		const calls = 20
		atomic.StoreInt32(&seen, 0)
		ended := make(chan string, calls)
		for i := 0; i < calls; i++ {
			go func() {
				response, err := client.Get(context.Background(), "/")
				if err != nil {
					ended <- err.Error()
					return
				}
				content, err := io.ReadAll(response.Body)
				response.Body.Close()
				ended <- fmt.Sprint(string(content), err)
			}()
		}
		eventually(t, 5*time.Second, func() bool { return atomic.LoadInt32(&seen) == calls })
		if err := client.Shutdown(10 * time.Second); err != nil {
			t.Fatal(err)
		}
		for i := 0; i < calls; i++ {
			if got := <-ended; got != "ab<nil>" {
				t.Fatal(got)
			}
		}
	}
}

// What a call uses of a client must outlast the Close that comes meanwhile.
func TestCloseBesideCallsThatBegin(t *testing.T) {
	hosts := servers(t, "ok")
	for round := 0; round < 40; round++ {
		client, err := New(Config{Hosts: hosts})
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for i := 0; i < 8; i++ {
			group.Add(1)
			go func() {
				defer group.Done()
				for {
					ctx, cancel := context.WithCancel(context.Background())
					time.AfterFunc(time.Millisecond, cancel)
					response, err := client.Get(ctx, "/drip?n=2&ms=1")
					if errors.Is(err, ErrClosed) {
						return
					}
					if err == nil {
						io.Copy(io.Discard, response.Body)
						response.Body.Close()
					}
					client.Metrics()
				}
			}()
		}
		time.Sleep(5 * time.Millisecond)
		client.Close()
		group.Wait()
	}
}

func TestSignalsAreGos(t *testing.T) {
	client := client(t, Config{Hosts: servers(t, "ok")})
	signals := make(chan os.Signal, 100)
	signal.Notify(signals, syscall.SIGUSR1)
	defer signal.Stop(signals)
	profile, _ := os.Create(os.DevNull)
	pprof.StartCPUProfile(profile)
	defer pprof.StopCPUProfile()
	for i := 0; i < 20; i++ {
		done := make(chan struct{})
		go func() {
			defer close(done)
			response, err := client.Get(context.Background(), "/slow?ms=10")
			text(t, response, err)
		}()
		syscall.Kill(os.Getpid(), syscall.SIGUSR1)
		<-signals
		<-done
	}
}

func BenchmarkGet(b *testing.B) {
	hosts := servers(b, "ok")
	if other := os.Getenv("AHOY_BENCH_HOST"); other != "" {
		hosts = []string{other}
	}
	transports := map[string]http.RoundTripper{"ahoy": client(b, Config{Hosts: hosts}), "net/http": http.DefaultTransport}
	for name, transport := range transports {
		b.Run(name, func(b *testing.B) {
			standard := &http.Client{Transport: transport}
			for i := 0; i < b.N; i++ {
				response, err := standard.Get("http://" + hosts[0] + "/ok")
				text(b, response, err)
			}
		})
	}
}
