// Code generated from include/ahoy.json by bindings/generate.py. DO NOT EDIT.

package ahoy

// Code is a status of the library. It is an error itself, for errors.Is.
type Code int32

const (
	// OK: The function did what it says.
	OK Code = 0
	// InvalidArgument: A parameter is missing or out of range.
	InvalidArgument Code = 100
	// InUse: The handle is in use and can no longer be changed, or is in that state already.
	InUse Code = 101
	// UnknownOption: No option has this name.
	UnknownOption Code = 102
	// WouldDeadlock: A blocking call inside a callback.
	WouldDeadlock Code = 103
	// Closed: The client is closed.
	Closed Code = 104
	// Unsupported: This kind of handle, or this build of the library, cannot do that. Where a function does not name it, a handle of another kind is AHOY_E_INVALID_ARGUMENT.
	Unsupported Code = 105
	// Discovery: The provider failed and no earlier list is known.
	Discovery Code = 200
	// NoEndpoints: No endpoint is known, or no circuit admits.
	NoEndpoints Code = 201
	// Resolve: The endpoint's name could not be resolved.
	Resolve Code = 202
	// Connect: The endpoint could not be connected to.
	Connect Code = 300
	// ConnectTimeout: Connecting took longer than its limit.
	ConnectTimeout Code = 301
	// TLS: The TLS handshake failed.
	TLS Code = 302
	// ConnectionLost: The connection ended before the answer did.
	ConnectionLost Code = 303
	// Protocol: The answer is not valid HTTP.
	Protocol Code = 304
	// Timeout: The attempt took longer than its limit.
	Timeout Code = 400
	// Deadline: The call took longer than its limit.
	Deadline Code = 401
	// Cancelled: The call was cancelled.
	Cancelled Code = 402
	// Interrupted: A signal ended the call.
	Interrupted Code = 403
	// BodyTooLarge: The answer's body is above the bound.
	BodyTooLarge Code = 500
	// HTTPStatus: The answer's status is 4xx or 5xx and the client fails on those.
	HTTPStatus Code = 501
	// Overloaded: A bound of this process was reached.
	Overloaded Code = 600
	// Forked: The handle belongs to the parent process.
	Forked Code = 601
	// HookRefused: A hook refused the attempt.
	HookRefused Code = 602
	// BodySource: The source of the request's body failed, or did not keep its length.
	BodySource Code = 603
	// Internal: A defect of this library.
	Internal Code = 900
)

// The severities of the log.
const (
	LogError LogLevel = 1
	LogWarn  LogLevel = 2
	LogInfo  LogLevel = 3
	LogDebug LogLevel = 4
)
