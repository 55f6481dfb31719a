package ahoy

import (
	"net/http"
	"net/textproto"
	"strings"
	"time"
)

// packed is what ahoy_go_head wrote; what was read of it is gone.
type packed struct{ rest string }

func (p *packed) text() string {
	end := strings.IndexByte(p.rest, 0)
	found := p.rest[:end]
	p.rest = p.rest[end+1:]
	return found
}

func (p *packed) number() int64 {
	found := uint64(0)
	for i := 7; i >= 0; i-- {
		found = found<<8 | uint64(p.rest[i])
	}
	p.rest = p.rest[8:]
	return int64(found)
}

// header reads so many fields. Their values share an array, as those of net/http do.
func (p *packed) header(count int) http.Header {
	found := make(http.Header, count)
	values := make([]string, count)
	for i := range values {
		name := textproto.CanonicalMIMEHeaderKey(p.text())
		values[i] = p.text()
		if before, ok := found[name]; ok {
			found[name] = append(before, values[i])
		} else {
			found[name] = values[i : i+1 : i+1]
		}
	}
	return found
}

func (p *packed) attempts(count int) []Attempt {
	found := make([]Attempt, count)
	for i := range found {
		one := &found[i]
		one.Code = Code(p.number())
		one.Status = int(p.number())
		one.Elapsed = time.Duration(p.number()) * time.Microsecond
		flags := p.number()
		one.OpenedCircuit, one.Hedge, one.Ambiguous = flags&1 != 0, flags&2 != 0, flags&4 != 0
		one.URL = p.text()
		one.Detail = p.text()
	}
	return found
}
