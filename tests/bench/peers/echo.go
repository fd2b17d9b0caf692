// An echo server as one writes it with Go: a goroutine a connection. A buffer instead of io.Copy,
// which would splice: the others copy, too.
package main

import (
	"net"
	"os"
)

func echo(peer net.Conn) {
	defer peer.Close()
	buffer := make([]byte, 64*1024)
	for {
		n, err := peer.Read(buffer)
		if n > 0 {
			if _, err := peer.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		panic(err)
	}
	for {
		if peer, err := listener.Accept(); err == nil {
			go echo(peer)
		}
	}
}
