//go:build !dynamic

package ahoy

// The archive lies in lib/<system>_<processor>, where `make go` puts it.

/*
#cgo CFLAGS: -I${SRCDIR}/include
#cgo linux,amd64 LDFLAGS: ${SRCDIR}/lib/linux_amd64/libahoy.a -lgcc_s -lutil -lrt -lpthread -lm -ldl
#cgo linux,arm64 LDFLAGS: ${SRCDIR}/lib/linux_arm64/libahoy.a -lgcc_s -lutil -lrt -lpthread -lm -ldl
*/
import "C"
