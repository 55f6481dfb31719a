//go:build dynamic

package ahoy

// -tags dynamic takes the installed library.

// #cgo pkg-config: ahoy
import "C"
