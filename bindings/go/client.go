// Package ahoy is a resilient HTTP client for services on several hosts. It balances requests over the hosts, keeps a
// circuit breaker for each, retries what may be retried, and does all of it under one deadline. The work is done by
// libahoy.
//
//	client, err := ahoy.New(ahoy.Config{Hosts: []string{"10.0.0.7:80", "10.0.0.8:80"}, Timeout: 2 * time.Second})
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	response, err := client.Get(ctx, "/orders")
//
// A Client is an http.RoundTripper as well:
//
//	http.Client{Transport: client}
package ahoy

// #include "bridge.h"
import "C"

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/cgo"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// Config sets a Client up. What is zero has the library's default, so Hosts alone is enough.
type Config struct {
	// JSON is everything as one text, see docs/configuration.md; what is set beside it counts more.
	JSON string
	// Hosts are name:port, https://name:port, or unix:/path.
	Hosts []string
	// HostList gives hosts with weights, zones and so on.
	HostList []Host
	// Provider gives the hosts instead, and is asked again when they seem gone.
	Provider ProviderFunc
	// ProviderURL names a registry instead, such as etcd://127.0.0.1:2379/services/web; ProviderOptions are its
	// settings by key.
	ProviderURL     string
	ProviderOptions map[string]string
	// Balancer is p2c (the default), round_robin, random, least_request, maglev, ring_hash, rendezvous, smooth_weighted
	// or peak_ewma; or prequal:/path, which asks each host at that path for its load.
	Balancer string
	// BalancerFunc chooses instead.
	BalancerFunc BalancerFunc

	// Timeout is the limit on a whole call, until its answer's head came: 30 s unless set. A context's deadline counts as well.
	Timeout time.Duration
	// AttemptTimeout is the time after which a call looks elsewhere. It follows the service by default. Where it is set, it
	// ends the body of an answer that brings nothing for so long as well, unless Options say otherwise by
	// "body_idle_timeout", such as "forever", or the answer is text/event-stream. With neither, such a body ends with its
	// context's deadline, or after 60 s where that has none.
	AttemptTimeout time.Duration
	// Tries is how many attempts a call may make; 1 for no retries, -1 for no limit.
	Tries int
	// Header is sent with every request.
	Header http.Header
	// CAPEM is trusted beside the platform's certificates.
	CAPEM []byte
	// CertPEM and KeyPEM are this client's own certificate.
	CertPEM, KeyPEM []byte
	// Resilient adds hedges, outlier detection, slow start and limits, as the library recommends.
	Resilient bool
	// Options and BalancerOptions are further settings by key, see docs/options.md. They go through unchecked, so a
	// newer library brings its settings.
	Options, BalancerOptions map[string]string

	// OnLog gets the library's messages of at least LogLevel, LogWarn by default. It must not block.
	OnLog    func(level LogLevel, part, message string)
	LogLevel LogLevel
	// OnEvent is told when a circuit opens and the like, on a thread of the library. It must not block.
	OnEvent func(Event)
}

// LogLevel is a severity.
type LogLevel int32

// Event is what happened to an endpoint, a list or a client.
type Event struct {
	Kind     int32 // an AHOY_EVENT_ number
	Time     time.Time
	Endpoint string // the endpoint's URL, or empty
	Text     string // one sentence for people
}

// Client sends requests. Any number of goroutines may use it; those that wait hold no thread, but for the first 5 ms of a
// call that is made when no other is.
type Client struct {
	handle   *C.ahoy_client
	balancer *C.ahoy_balancer
	queue    *queue
	closed   int32
	closing  chan struct{} // closed where the client is
	company  company

	noting sync.Mutex
	// What the settings in effect say, as 0 or 1: that requests are for a path, whatever the host of their URL, and that
	// bodies that pause have a limit.
	balanced, pauses int32
}

// New makes a Client.
func New(config Config) (*Client, error) {
	queue, err := newQueue()
	if err != nil {
		return nil, err
	}
	client := &Client{queue: queue, closing: make(chan struct{}), company: newCompany()}
	builder := C.ahoy_client_builder_new()
	defer C.ahoy_client_builder_free(builder)
	if err := client.build(builder, config); err != nil {
		queue.close()
		C.ahoy_balancer_free(client.balancer)
		return nil, err
	}
	runtime.SetFinalizer(client, func(c *Client) { go c.end(0) })
	return client, nil
}

func (c *Client) build(builder *C.ahoy_client_builder, config Config) error {
	if err := config.check(); err != nil {
		return err
	}
	provider, err := config.provider()
	if err != nil {
		return err
	}
	set := &settings{}
	defer set.free()
	if config.JSON != "" {
		set.do(func(err **C.ahoy_error) C.ahoy_status {
			return C.ahoy_client_builder_set_config(builder, set.text(config.JSON), err)
		})
	}
	if provider != nil {
		defer C.ahoy_provider_free(provider)
		if c.balancer, err = config.balancer(provider); err != nil {
			return err
		}
		for key, value := range config.BalancerOptions {
			set.do(func(err **C.ahoy_error) C.ahoy_status {
				return C.ahoy_balancer_set(c.balancer, set.text(key), set.text(value), err)
			})
		}
		if config.Resilient {
			set.do(func(err **C.ahoy_error) C.ahoy_status {
				return C.ahoy_balancer_use_resilient_profile(c.balancer, err)
			})
		}
		set.do(func(err **C.ahoy_error) C.ahoy_status {
			return C.ahoy_client_builder_set_balancer(builder, c.balancer, err)
		})
	}
	if config.Resilient {
		set.do(func(err **C.ahoy_error) C.ahoy_status {
			return C.ahoy_client_builder_use_resilient_profile(builder, err)
		})
	}
	for name, values := range config.Header {
		for _, value := range values {
			set.do(func(err **C.ahoy_error) C.ahoy_status {
				return C.ahoy_client_builder_add_header(builder, set.text(name), set.text(value), err)
			})
		}
	}
	for key, value := range config.options() {
		set.do(func(err **C.ahoy_error) C.ahoy_status {
			return C.ahoy_client_builder_set(builder, set.text(key), set.text(value), err)
		})
	}
	config.trust(builder, set)
	config.listen(builder, set)
	set.do(func(err **C.ahoy_error) C.ahoy_status { return C.ahoy_client_builder_build(builder, &c.handle, err) })
	if set.failed == nil {
		c.note()
	}
	return set.failed
}

func (config *Config) options() map[string]string {
	options := map[string]string{}
	for key, limit := range map[string]time.Duration{"timeout": config.Timeout, "attempt_timeout": config.AttemptTimeout} {
		if limit > 0 {
			options[key] = fmt.Sprintf("%dms", milliseconds(limit))
		}
	}
	if config.Tries < 0 {
		options["retry_tries"] = "unlimited"
	} else if config.Tries > 0 {
		options["retry_tries"] = fmt.Sprint(config.Tries)
	}
	for key, value := range config.Options {
		options[key] = value
	}
	return options
}

func (config *Config) trust(builder *C.ahoy_client_builder, set *settings) {
	if config.CAPEM != nil {
		set.do(func(err **C.ahoy_error) C.ahoy_status {
			return C.ahoy_client_builder_add_ca_pem(builder, set.bytes(config.CAPEM), C.size_t(len(config.CAPEM)), err)
		})
	}
	if config.CertPEM != nil {
		set.do(func(err **C.ahoy_error) C.ahoy_status {
			return C.ahoy_client_builder_set_client_certificate_pem(builder,
				set.bytes(config.CertPEM), C.size_t(len(config.CertPEM)),
				set.bytes(config.KeyPEM), C.size_t(len(config.KeyPEM)), err)
		})
	}
}

func (config *Config) listen(builder *C.ahoy_client_builder, set *settings) {
	if config.OnLog != nil {
		level := config.LogLevel
		if level == 0 {
			level = LogWarn
		}
		set.do(func(err **C.ahoy_error) C.ahoy_status {
			return C.ahoy_go_on_log(builder, C.int32_t(level), C.uintptr_t(cgo.NewHandle(config.OnLog)), err)
		})
	}
	if config.OnEvent != nil {
		set.do(func(err **C.ahoy_error) C.ahoy_status {
			return C.ahoy_go_on_event(builder, C.uintptr_t(cgo.NewHandle(config.OnEvent)), err)
		})
	}
}

// check refuses what would be left aside.
func (config *Config) check() error {
	if config.Timeout < 0 {
		return refused("Timeout is not negative, and not %v; 0 has the library's default", config.Timeout)
	}
	if config.AttemptTimeout < 0 {
		return refused("AttemptTimeout is not negative, and not %v; 0 has the library's default", config.AttemptTimeout)
	}
	if (config.CertPEM == nil) != (config.KeyPEM == nil) {
		return refused("CertPEM and KeyPEM belong together")
	}
	given := 0
	for _, one := range []bool{len(config.Hosts)+len(config.HostList) > 0, config.Provider != nil, config.ProviderURL != ""} {
		if one {
			given++
		}
	}
	if given > 1 {
		return refused("hosts are given by one of Hosts with HostList, Provider and ProviderURL")
	}
	if given == 0 && (config.Balancer != "" || config.BalancerFunc != nil || config.BalancerOptions != nil) {
		return refused("Balancer, BalancerFunc and BalancerOptions are for Hosts, HostList, Provider and ProviderURL; JSON has its own")
	}
	if config.ProviderURL == "" && config.ProviderOptions != nil {
		return refused("ProviderOptions are for ProviderURL")
	}
	return nil
}

func (config *Config) provider() (*C.ahoy_provider, error) {
	var err *C.ahoy_error
	switch {
	case config.Provider != nil:
		return C.ahoy_go_provider(C.uintptr_t(cgo.NewHandle(config.Provider))), nil
	case config.ProviderURL != "":
		return config.registry()
	case len(config.Hosts)+len(config.HostList) == 0:
		return nil, nil
	}
	hosts := append([]Host{}, config.HostList...)
	for _, text := range config.Hosts {
		host, failed := ParseHost(text)
		if failed != nil {
			return nil, failed
		}
		hosts = append(hosts, host)
	}
	list := C.ahoy_provider_list_new()
	for _, host := range hosts {
		made, failed := host.handle()
		if failed == nil {
			if C.ahoy_provider_list_add_host(list, made, &err) != 0 {
				failed = takeError(err)
			}
			C.ahoy_host_free(made)
		}
		if failed != nil {
			C.ahoy_provider_free(list)
			return nil, failed
		}
	}
	return list, nil
}

func (config *Config) registry() (*C.ahoy_provider, error) {
	var provider *C.ahoy_provider
	set := &settings{}
	defer set.free()
	set.do(func(err **C.ahoy_error) C.ahoy_status {
		return C.ahoy_provider_from_url(set.text(config.ProviderURL), &provider, err)
	})
	for key, value := range config.ProviderOptions {
		set.do(func(err **C.ahoy_error) C.ahoy_status {
			return C.ahoy_provider_set(provider, set.text(key), set.text(value), err)
		})
	}
	if set.failed != nil {
		C.ahoy_provider_free(provider)
		return nil, set.failed
	}
	return provider, nil
}

func (config *Config) balancer(provider *C.ahoy_provider) (*C.ahoy_balancer, error) {
	if config.BalancerFunc != nil {
		return C.ahoy_go_balancer(provider, C.uintptr_t(cgo.NewHandle(config.BalancerFunc))), nil
	}
	if path, found := prequal(config.Balancer); found || path == "prequal" {
		c := C.CString(path)
		defer C.free(unsafe.Pointer(c))
		if made := C.ahoy_balancer_prequal_new(provider, c); made != nil {
			return made, nil
		}
		return nil, refused("%q is not a balancer: write prequal:/path", config.Balancer)
	}
	switch config.Balancer {
	case "", "p2c":
		return C.ahoy_balancer_p2c_new(provider), nil
	case "round_robin":
		return C.ahoy_balancer_round_robin_new(provider), nil
	case "random":
		return C.ahoy_balancer_random_new(provider), nil
	case "least_request":
		return C.ahoy_balancer_least_request_new(provider), nil
	case "maglev":
		return C.ahoy_balancer_maglev_new(provider), nil
	case "ring_hash":
		return C.ahoy_balancer_ring_hash_new(provider), nil
	case "rendezvous":
		return C.ahoy_balancer_rendezvous_new(provider), nil
	case "smooth_weighted":
		return C.ahoy_balancer_smooth_weighted_new(provider), nil
	case "peak_ewma":
		return C.ahoy_balancer_peak_ewma_new(provider), nil
	}
	return nil, refused("no balancer is called %q", config.Balancer)
}

// prequal gives the path of a balancer that is called prequal:/path.
func prequal(name string) (string, bool) {
	return strings.TrimPrefix(name, "prequal:"), strings.HasPrefix(name, "prequal:")
}

// settings applies one setting after the other until one fails, and keeps the text that C reads meanwhile.
type settings struct {
	failed error
	kept   []unsafe.Pointer
}

func (s *settings) do(apply func(err **C.ahoy_error) C.ahoy_status) {
	if s.failed == nil {
		var err *C.ahoy_error
		if apply(&err) != 0 {
			s.failed = takeError(err)
		}
	}
}

func (s *settings) text(value string) *C.char {
	if strings.IndexByte(value, 0) >= 0 {
		s.failed = refused("a text has a NUL, where it would end for C")
	}
	c := C.CString(value)
	s.kept = append(s.kept, unsafe.Pointer(c))
	return c
}

func (s *settings) bytes(value []byte) *C.uint8_t {
	c := C.CBytes(value)
	s.kept = append(s.kept, c)
	return (*C.uint8_t)(c)
}

func (s *settings) free() {
	for _, pointer := range s.kept {
		C.free(pointer)
	}
}

// Get sends a GET for a path.
func (c *Client) Get(ctx context.Context, path string) (*http.Response, error) {
	return c.send(ctx, http.MethodGet, path, "", nil)
}

// Head sends a HEAD for a path.
func (c *Client) Head(ctx context.Context, path string) (*http.Response, error) {
	return c.send(ctx, http.MethodHead, path, "", nil)
}

// Delete sends a DELETE for a path.
func (c *Client) Delete(ctx context.Context, path string) (*http.Response, error) {
	return c.send(ctx, http.MethodDelete, path, "", nil)
}

// Post sends a POST.
func (c *Client) Post(ctx context.Context, path, contentType string, body io.Reader) (*http.Response, error) {
	return c.send(ctx, http.MethodPost, path, contentType, body)
}

// Put sends a PUT.
func (c *Client) Put(ctx context.Context, path, contentType string, body io.Reader) (*http.Response, error) {
	return c.send(ctx, http.MethodPut, path, contentType, body)
}

// Patch sends a PATCH.
func (c *Client) Patch(ctx context.Context, path, contentType string, body io.Reader) (*http.Response, error) {
	return c.send(ctx, http.MethodPatch, path, contentType, body)
}

// Do sends a request as RoundTrip does; that of a balanced Client goes where the balancer says. As with http.Client, user
// and password of the URL go as Basic, unless the request has an Authorization. An http.Client with this Transport follows
// redirects and keeps cookies besides.
func (c *Client) Do(request *http.Request) (*http.Response, error) {
	return c.RoundTrip(withCredentials(request))
}

// withCredentials is a request that has those of its URL as a field. RoundTrip leaves them aside, as net/http's does: a
// proxy's request may have them of its client, which must not set a field past it.
func withCredentials(request *http.Request) *http.Request {
	if request.URL == nil || request.URL.User == nil || request.Header.Get("Authorization") != "" {
		return request
	}
	made := request.WithContext(request.Context())
	made.Header = request.Header.Clone()
	if made.Header == nil {
		made.Header = http.Header{}
	}
	password, _ := request.URL.User.Password()
	made.SetBasicAuth(request.URL.User.Username(), password)
	return made
}

func (c *Client) send(ctx context.Context, method, path, contentType string, body io.Reader) (*http.Response, error) {
	if c.isBalanced() && len(path) > 0 && path[0] == '/' {
		path = "http://service" + path
	}
	request, err := http.NewRequestWithContext(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	return c.Do(request)
}

// Metrics gives everything that the client counts as text for Prometheus; docs/statistics.md has the names. The text has what
// others count as well: the option "name" tells the series of clients apart.
func (c *Client) Metrics(others ...*Client) (string, error) {
	handle, err := c.use()
	if err != nil {
		return "", err
	}
	defer c.done()
	var snapshot *C.ahoy_snapshot
	var text *C.ahoy_text
	var failed *C.ahoy_error
	if C.ahoy_client_snapshot(handle, &snapshot, &failed) != 0 {
		return "", takeError(failed)
	}
	defer C.ahoy_snapshot_free(snapshot)
	for _, other := range others {
		if err := other.addTo(snapshot); err != nil {
			return "", err
		}
	}
	if C.ahoy_snapshot_text(snapshot, C.AHOY_FORMAT_OPENMETRICS, &text, &failed) != 0 {
		return "", takeError(failed)
	}
	return takeText(text), nil
}

func (c *Client) addTo(snapshot *C.ahoy_snapshot) error {
	handle, err := c.use()
	if err != nil {
		return err
	}
	defer c.done()
	var failed *C.ahoy_error
	if C.ahoy_snapshot_add_client(snapshot, handle, &failed) != 0 {
		return takeError(failed)
	}
	return nil
}

// Settings gives the configuration in effect as the JSON that Reconfigure takes; secrets are masked.
func (c *Client) Settings() (string, error) {
	handle, err := c.use()
	if err != nil {
		return "", err
	}
	defer c.done()
	var text *C.ahoy_text
	var failed *C.ahoy_error
	if C.ahoy_client_config_text(handle, &text, &failed) != 0 {
		return "", takeError(failed)
	}
	return takeText(text), nil
}

// Reconfigure replaces the configuration by a JSON text (docs/configuration.md), all of it or, with any fault, nothing.
// Calls under way keep theirs. Hosts and balancer can be replaced where Config.JSON made the client: else the balancer's
// own handle has it as well.
func (c *Client) Reconfigure(config string) error {
	handle, err := c.use()
	if err != nil {
		return err
	}
	defer c.done()
	if strings.IndexByte(config, 0) >= 0 {
		return refused("a configuration has no NUL")
	}
	text := C.CString(config)
	defer C.free(unsafe.Pointer(text))
	var failed *C.ahoy_error
	if C.ahoy_client_reconfigure(handle, text, &failed) != 0 {
		return takeError(failed)
	}
	c.note()
	return nil
}

// inEffect is what this package goes by of Settings.
type inEffect struct {
	Hosts           json.RawMessage `json:"hosts"`
	Provider        string          `json:"provider"`
	BaseURL         string          `json:"base_url"`
	Timeout         string          `json:"timeout"`
	AttemptTimeout  string          `json:"attempt_timeout"`
	BodyIdleTimeout string          `json:"body_idle_timeout"`
}

func (s *inEffect) hasBalancer() bool { return s.Hosts != nil || s.Provider != "" }

func (c *Client) inEffect() (settings inEffect, err error) {
	text, err := c.Settings()
	if err == nil {
		err = json.Unmarshal([]byte(text), &settings)
	}
	return settings, err
}

// note keeps what each call goes by: to ask for it costs more than a call.
func (c *Client) note() {
	c.noting.Lock() // so that of several Reconfigures the last is what is kept
	defer c.noting.Unlock()
	if settings, err := c.inEffect(); err == nil {
		keep(&c.balanced, settings.hasBalancer() || settings.BaseURL != "")
		keep(&c.pauses, settings.AttemptTimeout != "auto" || settings.BodyIdleTimeout != "off")
	}
}

func keep(in *int32, value bool) {
	number := int32(0)
	if value {
		number = 1
	}
	atomic.StoreInt32(in, number)
}

func (c *Client) isBalanced() bool { return atomic.LoadInt32(&c.balanced) != 0 }

// Explain tells of each endpoint in a line: its state, the reason, its load.
func (c *Client) Explain() (string, error) {
	handle, err := c.use()
	if err != nil {
		return "", err
	}
	defer c.done()
	if settings, err := c.inEffect(); err == nil && !settings.hasBalancer() {
		return "", refused("the client has no balancer: Config has neither hosts nor a provider")
	}
	// The client's present one, also where a text made or replaced it.
	var balancer *C.ahoy_balancer
	var text *C.ahoy_text
	var failed *C.ahoy_error
	if C.ahoy_client_balancer(handle, &balancer, &failed) != 0 {
		return "", takeError(failed)
	}
	defer C.ahoy_balancer_free(balancer)
	if C.ahoy_balancer_explain(balancer, &text, &failed) != 0 {
		return "", takeError(failed)
	}
	return takeText(text), nil
}

func takeText(text *C.ahoy_text) string {
	defer C.ahoy_text_free(text)
	var length C.size_t
	bytes := C.ahoy_text_bytes(text, &length)
	return C.GoStringN(bytes, C.int(length))
}

// use gives the client's handle, until done.
func (c *Client) use() (*C.ahoy_client, error) {
	if c.isClosed() || !c.queue.inUse.TryRLock() {
		return nil, ErrClosed
	}
	return c.handle, nil
}

func (c *Client) done() { c.queue.inUse.RUnlock() }

func (c *Client) isClosed() bool { return atomic.LoadInt32(&c.closed) != 0 }

// Close ends the client at once: calls under way fail with ErrClosed. A second Close does nothing. In a function that the
// library calls, such as OnEvent, it does not wait until all has ended.
func (c *Client) Close() error { return c.Shutdown(0) }

// Shutdown refuses new calls, waits for those under way, and ends what is left after the limit; a negative one is as 0. In a
// function that the library calls it waits for nothing, and all of that comes once the function has returned.
func (c *Client) Shutdown(limit time.Duration) error {
	if !atomic.CompareAndSwapInt32(&c.closed, 0, 1) {
		return nil
	}
	close(c.closing)
	runtime.SetFinalizer(c, nil)
	if limit < 0 {
		limit = 0
	}
	return c.end(limit)
}

func (c *Client) end(limit time.Duration) error {
	var err *C.ahoy_error
	switch C.ahoy_client_close(c.handle, C.uint64_t(milliseconds(limit)), &err) {
	case C.AHOY_OK:
		c.free()
		return nil
	case C.AHOY_E_WOULD_DEADLOCK:
		// This is in a function that the library calls, for which the end waits; what began a call may hold the queue below.
		C.ahoy_error_free(err)
		go c.end(limit)
		return nil
	default:
		// A function that the library calls still runs, and may hold the queue: it may wait for this.
		go c.free()
		return takeError(err)
	}
}

// free waits for what uses the handles.
func (c *Client) free() {
	c.queue.close()
	C.ahoy_client_free(c.handle)
	C.ahoy_balancer_free(c.balancer)
}

// CloseIdleConnections is there for http.Client, and does nothing: idle connections end by idle_timeout.
func (c *Client) CloseIdleConnections() {}

// Version is the version of libahoy.
func Version() string { return C.GoString(C.ahoy_version()) }

// milliseconds rounds up. A sum would overflow with the limits that are near the longest.
func milliseconds(limit time.Duration) int64 {
	whole := int64(limit / time.Millisecond)
	if limit%time.Millisecond > 0 {
		whole++
	}
	return whole
}

//export goLog
func goLog(handle C.uintptr_t, level C.int32_t, part, message *C.char) {
	guard(func() {
		log := cgo.Handle(handle).Value().(func(LogLevel, string, string))
		log(LogLevel(level), C.GoString(part), C.GoString(message))
	})
}

//export goEvent
func goEvent(handle C.uintptr_t, event *C.ahoy_event) {
	guard(func() {
		cgo.Handle(handle).Value().(func(Event))(Event{
			Kind:     int32(C.ahoy_event_kind(event)),
			Time:     time.UnixMilli(int64(C.ahoy_event_time_ms(event))),
			Endpoint: C.GoString(C.ahoy_event_endpoint_url(event)),
			Text:     C.GoString(C.ahoy_event_text(event)),
		})
	})
}
