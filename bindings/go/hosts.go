package ahoy

// #include "bridge.h"
import "C"

import (
	"net"
	"runtime/cgo"
	"strconv"
	"strings"
	"unsafe"
)

// Host is a server of the service. What is zero has the library's default.
type Host struct {
	Address    string
	Port       uint16
	Weight     uint32
	Zone       string
	Priority   uint32
	Scheme     string // http or https; by default https for port 443
	Authority  string // what the Host field says in place of address and port
	ServerName string // the name that TLS verifies
}

// ParseHost reads name:port, [::1]:port, https://name or unix:/path.
func ParseHost(text string) (Host, error) {
	if strings.HasPrefix(text, "unix:") {
		return Host{Address: text, Port: 80}, nil // the port says http, and nothing else
	}
	host := Host{}
	rest := text
	if scheme, after, found := strings.Cut(text, "://"); found {
		host.Scheme, rest = scheme, strings.TrimSuffix(after, "/")
	}
	name, port, err := net.SplitHostPort(rest)
	if err != nil {
		name, port = strings.Trim(rest, "[]"), ""
	}
	// A port that is left out may leave its colon behind (RFC 3986, section 3.2.3).
	if port == "" {
		port = "80"
		if host.Scheme == "https" {
			port = "443"
		}
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return host, noHost(text, "%q is not a host: write name:port", text)
	}
	host.Address, host.Port = name, uint16(number)
	return host, nil
}

// noHost says what is wrong with a host. Credentials that it was given with are not to reach a log by the error.
func noHost(given, format string, of ...any) error {
	if strings.Contains(given, "@") {
		return refused("a host holds credentials; send them as a header")
	}
	return refused(format, of...)
}

// handle makes the library's host, to be freed.
func (h Host) handle() (*C.ahoy_host, error) {
	if strings.Contains(h.Address+h.Zone+h.Authority+h.ServerName, "\x00") {
		return nil, refused("a host's texts have no NUL, as those of %q do", h.Address)
	}
	if h.Scheme != "" && h.Scheme != "http" && h.Scheme != "https" {
		return nil, refused("the scheme of a host is http or https, and not %q", h.Scheme)
	}
	address := C.CString(h.Address)
	defer C.free(unsafe.Pointer(address))
	made := C.ahoy_host_new(address, C.uint16_t(h.Port))
	if made == nil {
		return nil, noHost(h.Address, "%s:%d is not a host", h.Address, h.Port)
	}
	var err *C.ahoy_error
	status := C.ahoy_status(0)
	text := func(value string, set func(*C.char) C.ahoy_status) {
		if value != "" && status == 0 {
			c := C.CString(value)
			defer C.free(unsafe.Pointer(c))
			status = set(c)
		}
	}
	text(h.Zone, func(c *C.char) C.ahoy_status { return C.ahoy_host_set_zone(made, c, &err) })
	text(h.Authority, func(c *C.char) C.ahoy_status { return C.ahoy_host_set_authority(made, c, &err) })
	text(h.ServerName, func(c *C.char) C.ahoy_status { return C.ahoy_host_set_server_name(made, c, &err) })
	if h.Weight != 0 && status == 0 {
		status = C.ahoy_host_set_weight(made, C.uint32_t(h.Weight), &err)
	}
	if h.Priority != 0 && status == 0 {
		status = C.ahoy_host_set_priority(made, C.uint32_t(h.Priority), &err)
	}
	if h.Scheme != "" && status == 0 {
		schemes := map[string]C.int32_t{"http": C.AHOY_SCHEME_HTTP, "https": C.AHOY_SCHEME_HTTPS}
		status = C.ahoy_host_set_scheme(made, schemes[h.Scheme], &err)
	}
	if status != 0 {
		C.ahoy_host_free(made)
		return nil, takeError(err)
	}
	return made, nil
}

// ProviderFunc gives the hosts of a service; what it fails with leaves the last list in use. It is called on a thread
// that the library chooses, one at a time.
type ProviderFunc func() ([]Host, error)

// BalancerFunc gives the index of the endpoint to take, of count that are available; anything else means none.
type BalancerFunc func(count int) int

//export goProvide
func goProvide(handle C.uintptr_t, out *C.ahoy_hosts) C.ahoy_status {
	status := C.ahoy_status(C.AHOY_E_DISCOVERY)
	guard(func() {
		hosts, err := cgo.Handle(handle).Value().(ProviderFunc)()
		if err != nil {
			return
		}
		for _, host := range hosts {
			made, err := host.handle()
			if err != nil {
				return
			}
			added := C.ahoy_hosts_add_host(out, made, nil)
			C.ahoy_host_free(made)
			if added != 0 {
				return
			}
		}
		status = 0
	})
	return status
}

//export goChoose
func goChoose(handle C.uintptr_t, count C.size_t) C.size_t {
	chosen := -1
	guard(func() { chosen = cgo.Handle(handle).Value().(BalancerFunc)(int(count)) })
	return C.size_t(chosen)
}

//export goForget
func goForget(handle C.uintptr_t) { cgo.Handle(handle).Delete() }

// guard keeps a panic from crossing into C. A runtime.Goexit, as of t.Fatal, cannot be kept from it: what it unwinds goes on
// into C, so that the process ends. This says why. (In another goroutine it would be harmless, but the library knows by the
// thread that a Close comes from a function that it has called.)
func guard(call func()) {
	returned := false
	defer func() {
		if !returned {
			panic("ahoy: runtime.Goexit, such as by t.Fatal, in a function that the library calls; return instead")
		}
	}()
	caught(call)
	returned = true
}

func caught(call func()) {
	defer func() { _ = recover() }()
	call()
}
