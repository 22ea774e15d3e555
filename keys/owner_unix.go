//go:build unix

package keys

import (
	"os"
	"syscall"
)

// owner is the user id of a file's owner.
func owner(st os.FileInfo) (uid int, known bool) {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(sys.Uid), true
}
