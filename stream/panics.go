package stream

import (
	"runtime"
	"strconv"
	"strings"

	"weir/schemas"
	"weir/transforms"
)

// CodePanic quarantines a record that made a codec, a transform or a library
// panic. Without it one record would end every process that meets it, and what
// a library panics with may quote the record (Invariant 5).
const CodePanic schemas.Code = "panic"

// contain turns a panic into poison; it is deferred around what reads a record.
// The value is dropped unread, the place is logged.
func (b *batch) contain(p *part, offset int64, err *error) {
	if recover() == nil {
		return
	}
	b.scratch = transforms.NewScratch() // the old one may be half written
	b.w.log.Error("a record made the engine panic; it is quarantined", "topic", p.topic, "partition", p.partition,
		"offset", offset, "at", panickedAt())
	*err = schemas.Fail(CodePanic, "")
}

// panickedAt is the function and line that panicked: no argument and no value.
func panickedAt() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "runtime.") || !more {
			file := f.File[strings.LastIndexByte(f.File, '/')+1:]
			return f.Function + " " + file + ":" + strconv.Itoa(f.Line)
		}
	}
}
