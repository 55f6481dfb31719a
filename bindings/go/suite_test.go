package ahoy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"context"
)

type expectation struct {
	Status    int
	Body      *string
	Code      string
	Attempts  int
	Ambiguous bool
}

type scenario struct {
	Name    string
	Servers []string
	Config  map[string]any
	Skip    map[string]string
	Expect  expectation
	Calls   []struct {
		Method, Path, Body string
		Repeat             int
		TimeoutMS          int `json:"timeout_ms"`
		Expect             expectation
	}
}

// The behaviour suite of all bindings: bindings/suite/scenarios.json.
func TestSuite(t *testing.T) {
	content, err := os.ReadFile("../suite/scenarios.json")
	if err != nil {
		t.Fatal(err)
	}
	var scenarios []scenario
	if err := json.Unmarshal(content, &scenarios); err != nil {
		t.Fatal(err)
	}
	for _, s := range scenarios {
		s := s
		t.Run(s.Name, func(t *testing.T) {
			if why := s.Skip["go"]; why != "" {
				t.Skip(why)
			}
			play(t, s)
		})
	}
}

func play(t *testing.T, s scenario) {
	config := map[string]any{"hosts": servers(t, s.Servers...), "timeout": "5s"}
	for key, value := range s.Config {
		config[key] = value
	}
	written, _ := json.Marshal(config)
	client, err := New(Config{JSON: string(written)})
	if s.Calls == nil {
		var failed *Error
		if !errors.As(err, &failed) || failed.Code.String() != s.Expect.Code {
			t.Fatal(err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, call := range s.Calls {
		for i := 0; i <= call.Repeat; i++ {
			if call.Repeat > 0 && i == call.Repeat {
				break
			}
			path := strings.ReplaceAll(call.Path, "$unique", fmt.Sprint(time.Now().UnixNano()))
			ctx, cancel := context.WithCancel(context.Background())
			if call.TimeoutMS > 0 {
				ctx, cancel = context.WithTimeout(ctx, time.Duration(call.TimeoutMS)*time.Millisecond)
			}
			var body io.Reader
			if call.Body != "" {
				body = strings.NewReader(call.Body)
			}
			method := call.Method
			if method == "" {
				method = http.MethodGet
			}
			compare(t, call.Expect, func() (*http.Response, error) { return client.send(ctx, method, path, "", body) })
			cancel()
		}
	}
}

func compare(t *testing.T, expect expectation, call func() (*http.Response, error)) {
	t.Helper()
	response, err := call()
	var content []byte
	if err == nil {
		content, err = io.ReadAll(response.Body)
		response.Body.Close()
	}
	if err != nil {
		var failed *Error
		isDeadline := expect.Code == "AHOY_E_DEADLINE" && errors.Is(err, context.DeadlineExceeded)
		if !isDeadline && (!errors.As(err, &failed) || failed.Code.String() != expect.Code) {
			t.Fatal(err)
		}
		if expect.Ambiguous && !failed.Ambiguous {
			t.Fatal("not ambiguous: ", err)
		}
		return
	}
	attempts := len(Attempts(response))
	if response.StatusCode != expect.Status || expect.Body != nil && string(content) != *expect.Body ||
		expect.Attempts > 0 && attempts != expect.Attempts {
		t.Fatalf("%d %q after %d attempts", response.StatusCode, content, attempts)
	}
}
