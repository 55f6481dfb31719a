package ahoy

// #include "bridge.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Attempt is one request to one endpoint.
type Attempt struct {
	URL           string        // the endpoint, such as http://10.0.0.7:80
	Code          Code          // OK where an answer came
	Status        int           // the answer's status, 0 where none came
	Elapsed       time.Duration // until it ended
	Detail        string        // in a few words, for people
	OpenedCircuit bool          // the endpoint's circuit opened by it
	Hedge         bool          // it ran beside another
	Ambiguous     bool          // it may have been carried out, although no answer came
}

// Error says why a call failed or an argument was refused. Its text lists every attempt.
//
// errors.Is finds its Code, such as ahoy.Deadline; os.ErrDeadlineExceeded and context.DeadlineExceeded match where
// a limit passed, and context.Canceled where the call was cancelled.
type Error struct {
	Code         Code
	Message      string
	Retryable    bool      // the same call may well succeed later
	Ambiguous    bool      // the request may have been carried out
	Attempts     []Attempt // the first 64
	AttemptCount int       // of all
	cause        error
}

// Unwrap gives what the reader of the request's body said, where that ended the call.
func (e *Error) Unwrap() error { return e.cause }

// Error gives the whole story, an attempt a line.
func (e *Error) Error() string { return e.Message }

// Timeout tells whether a limit passed, as net.Error has it.
func (e *Error) Timeout() bool {
	return e.Code == Timeout || e.Code == Deadline || e.Code == ConnectTimeout
}

// Temporary tells whether the same call may well succeed later.
func (e *Error) Temporary() bool { return e.Retryable }

// Is makes errors.Is work with codes and with the errors of Go's own packages.
func (e *Error) Is(target error) bool {
	if code, ok := target.(Code); ok {
		return e.Code == code
	}
	switch target {
	case os.ErrDeadlineExceeded, context.DeadlineExceeded:
		return e.Timeout()
	case context.Canceled:
		return e.Code == Cancelled
	case ErrClosed:
		return e.Code == Closed
	}
	return false
}

// Error is the status by its name.
func (c Code) Error() string { return c.String() }

// String is the name of a status, such as AHOY_E_DEADLINE.
func (c Code) String() string { return C.GoString(C.ahoy_status_name(C.ahoy_status(c))) }

// ErrClosed is what a closed client answers.
var ErrClosed = errors.New("ahoy: the client is closed")

// takeError makes a Go error of the library's, which is freed.
func takeError(err *C.ahoy_error) error {
	if err == nil {
		return nil
	}
	defer C.ahoy_error_free(err)
	made := &Error{
		Code:         Code(C.ahoy_error_status(err)),
		Message:      C.GoString(C.ahoy_error_message(err)),
		Retryable:    bool(C.ahoy_error_is_retryable(err)),
		Ambiguous:    bool(C.ahoy_error_is_ambiguous(err)),
		AttemptCount: int(C.ahoy_error_attempt_count(err)),
	}
	for i := 0; i < made.AttemptCount; i++ {
		attempt := C.ahoy_error_attempt_at(err, C.size_t(i))
		if attempt == nil {
			break // the others are not kept, and may be millions
		}
		made.Attempts = append(made.Attempts, readAttempt(attempt))
	}
	return made
}

func readAttempt(attempt *C.ahoy_attempt) Attempt {
	return Attempt{
		URL:           C.GoString(C.ahoy_attempt_url(attempt)),
		Code:          Code(C.ahoy_attempt_status(attempt)),
		Status:        int(C.ahoy_attempt_http_status(attempt)),
		Elapsed:       time.Duration(C.ahoy_attempt_elapsed_us(attempt)) * time.Microsecond,
		Detail:        C.GoString(C.ahoy_attempt_detail(attempt)),
		OpenedCircuit: bool(C.ahoy_attempt_opened_circuit(attempt)),
		Hedge:         bool(C.ahoy_attempt_is_hedge(attempt)),
		Ambiguous:     bool(C.ahoy_attempt_is_ambiguous(attempt)),
	}
}

func refused(format string, arguments ...any) error {
	return &Error{Code: InvalidArgument, Message: fmt.Sprintf(format, arguments...)}
}
