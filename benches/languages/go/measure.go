// Runs one of the programs beside it: measure net_http|ahoy|round_tripper CALLS AT_ONCE HOST... prints SECONDS ANSWERS.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"reflect"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

type answer struct {
	Orders []int `json:"orders"`
}

type service interface {
	orders(ctx context.Context) (*answer, error)
	close()
}

func main() {
	made := map[string]func([]string) (service, error){"net_http": newNetHTTP, "ahoy": newAhoy, "round_tripper": newRoundTripper}
	calls, _ := strconv.Atoi(os.Args[2])
	atOnce, _ := strconv.Atoi(os.Args[3])
	service, err := made[os.Args[1]](os.Args[4:])
	if err != nil {
		log.Fatal(err)
	}
	defer service.close()
	left, answers := int64(calls), int64(0)
	var all sync.WaitGroup
	begun := time.Now()
	for i := 0; i < atOnce; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for atomic.AddInt64(&left, -1) >= 0 {
				got, err := service.orders(context.Background())
				if err == nil && reflect.DeepEqual(got.Orders, []int{1, 2}) {
					atomic.AddInt64(&answers, 1)
				}
			}
		}()
	}
	all.Wait()
	fmt.Println(time.Since(begun).Seconds(), answers)
}
