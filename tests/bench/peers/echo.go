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

func echoDatagrams(address string) {
	there, err := net.ResolveUDPAddr("udp4", address)
	if err != nil {
		panic(err)
	}
	socket, err := net.ListenUDP("udp4", there)
	if err != nil {
		panic(err)
	}
	socket.SetReadBuffer(4 << 20)
	buffer := make([]byte, 64*1024)
	for {
		if n, peer, err := socket.ReadFromUDPAddrPort(buffer); err == nil {
			socket.WriteToUDPAddrPort(buffer[:n], peer)
		}
	}
}

func main() {
	go echoDatagrams("127.0.0.1:" + os.Args[1])
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
