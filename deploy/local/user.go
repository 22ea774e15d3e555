package main

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// asUser makes the process run as name when we are root and name is given; root
// is refused by PostgreSQL, and nobody else may change user.
func asUser(attr *syscall.SysProcAttr, name string) error {
	if name == "" || os.Geteuid() != 0 {
		return nil
	}
	uid, gid, err := lookupIDs(name)
	if err != nil {
		return err
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return nil
}

func lookupIDs(name string) (uid, gid int, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, 0, fmt.Errorf("PostgreSQL does not run as root and there is no user %q to run it as: %w", name, err)
	}
	if uid, err = strconv.Atoi(u.Uid); err != nil {
		return 0, 0, err
	}
	gid, err = strconv.Atoi(u.Gid)
	return uid, gid, err
}

// giveTo makes name the owner of the paths, when we are root.
func giveTo(name string, paths ...string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	uid, gid, err := lookupIDs(name)
	if err != nil {
		return err
	}
	for _, p := range paths {
		if err := os.Chown(p, uid, gid); err != nil {
			return err
		}
	}
	return nil
}
