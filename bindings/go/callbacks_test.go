package ahoy

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// A Goexit in a function that the library calls ends the process, and says so.
func TestGoexitInAFunctionThatTheLibraryCalls(t *testing.T) {
	configs := map[string]Config{
		"provider": {Provider: func() ([]Host, error) { runtime.Goexit(); return nil, nil }},
		"balancer": {Hosts: []string{"127.0.0.1:1"}, BalancerFunc: func(int) int { runtime.Goexit(); return 0 }},
	}
	if which := os.Getenv("AHOY_GOEXIT"); which != "" {
		config := configs[which]
		config.Timeout = 10 * time.Second
		made, err := New(config)
		if err == nil {
			made.Get(context.Background(), "/")
		}
		return
	}
	for which := range configs {
		command := exec.Command(os.Args[0], "-test.run=TestGoexitInAFunctionThatTheLibraryCalls")
		command.Env = append(os.Environ(), "AHOY_GOEXIT="+which)
		said, err := command.CombinedOutput()
		if err == nil || !strings.Contains(string(said), "ahoy: runtime.Goexit, such as by t.Fatal") {
			t.Fatal(which, err, string(said))
		}
	}
}
