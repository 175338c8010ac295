package testnet

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

const (
	tunName = "wire"
	// The device's own queue, for bursts that come while the forwarder waits
	// for a processor. What does not fit is lost, as on any wire.
	tunQueue = 4096
)

// openTUN makes a TUN device in the namespace of the calling thread, and brings
// the namespace's interfaces up. The device is gone when it is closed.
func openTUN(addr netip.Addr) (tun int, err error) {
	const path = "/dev/net/tun"
	tun, err = unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	if err := configure(tun, addr); err != nil {
		return -1, errors.Join(fmt.Errorf("set up a TUN device: %w", err), unix.Close(tun))
	}
	return tun, nil
}

func configure(tun int, addr netip.Addr) error {
	// Any socket of the namespace will do to speak to its interfaces.
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	ip := addr.As4()
	mask := [4]byte{255, 255, 255, 0} // with it comes the route to the other end
	return errors.Join(
		ioctl(tun, unix.TUNSETIFF, tunName, func(r *unix.Ifreq) { r.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI) }),
		ioctl(socket, unix.SIOCSIFTXQLEN, tunName, func(r *unix.Ifreq) { r.SetUint32(tunQueue) }),
		ioctl(socket, unix.SIOCSIFMTU, tunName, func(r *unix.Ifreq) { r.SetUint32(mtu) }),
		ioctlAddr(socket, unix.SIOCSIFADDR, ip),
		ioctlAddr(socket, unix.SIOCSIFNETMASK, mask),
		up(socket, tunName),
		up(socket, "lo"),
	)
}

func up(socket int, name string) error {
	r, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(socket, unix.SIOCGIFFLAGS, r); err != nil {
		return os.NewSyscallError("ioctl SIOCGIFFLAGS on "+name, err)
	}
	r.SetUint16(r.Uint16() | unix.IFF_UP)
	return os.NewSyscallError("ioctl SIOCSIFFLAGS on "+name, unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, r))
}

func ioctl(fd int, request uint, name string, fill func(*unix.Ifreq)) error {
	r, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	fill(r)
	return os.NewSyscallError(fmt.Sprintf("ioctl %#x on %s", request, name), unix.IoctlIfreq(fd, request, r))
}

func ioctlAddr(fd int, request uint, ip [4]byte) error {
	return ioctl(fd, request, tunName, func(r *unix.Ifreq) {
		if err := r.SetInet4Addr(ip[:]); err != nil {
			panic(err) // it is four bytes long
		}
	})
}
