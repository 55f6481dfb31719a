package ahoy

import (
	"context"
	"errors"
	"math"
	"net/http"
	"testing"
	"time"
)

// A limit that is as far as can be is no short one.
func TestFarLimits(t *testing.T) {
	host := here(t, func(http.ResponseWriter, *http.Request) {})
	const longest = time.Duration(math.MaxInt64)
	for _, limit := range []time.Duration{longest, longest - 1, longest / 2, 100 * 365 * 24 * time.Hour} {
		client := client(t, Config{Hosts: []string{host}, Timeout: limit, AttemptTimeout: limit})
		response, err := client.Get(context.Background(), "/")
		text(t, response, err)
	}
	client := client(t, Config{Hosts: []string{host}})
	for _, until := range []time.Time{time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), time.Now().Add(longest)} {
		ctx, cancel := context.WithDeadline(context.Background(), until)
		defer cancel()
		request, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://orders/", nil)
		asked, err := client.read(request)
		if err != nil || time.Duration(asked.timeout) < 100*365*24*time.Hour/time.Millisecond {
			t.Fatal(until, asked.timeout, err)
		}
		response, err := client.RoundTrip(request)
		text(t, response, err)
	}
	for limit, wanted := range map[time.Duration]int64{0: 0, 1: 1, time.Millisecond: 1, time.Millisecond + 1: 2, longest: 9223372036855, -time.Second: -1000} {
		if got := milliseconds(limit); got != wanted {
			t.Fatal(limit, got)
		}
	}
}

func TestANegativeLimitOfShutdownIsNone(t *testing.T) {
	asked := make(chan struct{})
	host := here(t, func(_ http.ResponseWriter, request *http.Request) { close(asked); <-request.Context().Done() })
	client := client(t, Config{Hosts: []string{host}, Timeout: time.Minute, AttemptTimeout: time.Minute})
	ended, closed := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := client.Get(context.Background(), "/")
		ended <- err
	}()
	<-asked
	go func() { closed <- client.Shutdown(-time.Second) }()
	select {
	case err := <-closed:
		if failed := <-ended; err != nil || !errors.Is(failed, ErrClosed) {
			t.Fatal(err, failed)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("waits")
	}
}
