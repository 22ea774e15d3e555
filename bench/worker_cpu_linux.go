package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// cpuOf is the CPU time, user and system, of all threads of a process, to the
// nanosecond: /proc/<pid>/stat counts in ticks of 10 ms.
func cpuOf(pid int) (time.Duration, error) {
	// The clock of another process: the complement of its id above three bits, of
	// which 2 is the scheduler's clock (clock_getcpuclockid(3)).
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil {
		return 0, err
	}
	return time.Duration(ts.Nano()), nil
}
