// A load as one writes it with Go: a goroutine a connection, so many messages in flight on each.
// load HOST:PORT CONNECTIONS DEPTH SIZE SECONDS prints how many messages came back.
package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"
)

func number(i int) int {
	n, err := strconv.Atoi(os.Args[i])
	if err != nil {
		panic(err)
	}
	return n
}

func main() {
	connections, depth, size := number(2), number(3), number(4)
	end := time.Now().Add(time.Duration(number(5)) * time.Second)
	echoed := make([]int, connections)
	var done sync.WaitGroup
	for i := 0; i < connections; i++ {
		peer, err := net.Dial("tcp", os.Args[1])
		if err != nil {
			panic(err)
		}
		done.Add(1)
		go func(i int) {
			defer done.Done()
			sent := bytes.Repeat([]byte{byte(i)}, depth*size)
			back := make([]byte, depth*size)
			for time.Now().Before(end) {
				if _, err := peer.Write(sent); err != nil {
					panic(err)
				}
				if _, err := io.ReadFull(peer, back); err != nil {
					panic(err)
				}
				if !bytes.Equal(sent, back) {
					panic("other bytes came back")
				}
				echoed[i] += depth
			}
		}(i)
	}
	done.Wait()
	total := 0
	for _, n := range echoed {
		total += n
	}
	fmt.Println(total)
}
