// A Go program of many goroutines: a ring that passes tokens, a deep stack that has grown, timers,
// a server, and memory that the collector moves through. Asked as fixtures are.
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	ring   = 1000
	tokens = 10
	chains = 4
)

var (
	passed  atomic.Int64 // hops of all tokens
	ticks   atomic.Int64
	callers atomic.Int64
)

// node passes what it gets on to the next; each on a small stack of its own.
func node(in <-chan int, out chan<- int) {
	for token := range in {
		passed.Add(1)
		out <- token
	}
}

func startRing() {
	channels := make([]chan int, ring)
	for i := range channels {
		channels[i] = make(chan int, 1)
	}
	for i := range channels {
		go node(channels[i], channels[(i+1)%ring])
	}
	for token := range tokens {
		channels[token*ring/tokens] <- token
	}
}

// chain is a count and what only that many steps lead to.
type chain struct {
	sync.Mutex
	count  int
	digest [32]byte
}

func (c *chain) run() {
	for {
		c.Lock()
		c.digest = sha256.Sum256(c.digest[:])
		c.count++
		c.Unlock()
		time.Sleep(time.Millisecond)
	}
}

func (c *chain) holds() bool {
	c.Lock()
	defer c.Unlock()
	var digest [32]byte
	for range c.count {
		digest = sha256.Sum256(digest[:])
	}
	return digest == c.digest
}

// deep waits at the bottom of a stack of some megabytes, and gives what it found on the way up.
func deep(level int, ask <-chan struct{}) int {
	var local [256]byte
	local[level%256] = byte(level)
	if level == 0 {
		<-ask
		return 0
	}
	below := deep(level-1, ask)
	if local[level%256] != byte(level) {
		return -1 << 40
	}
	return below + 1
}

func serve(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			fmt.Fprintf(connection, "caller %d", callers.Add(1))
			connection.Close()
		}()
	}
}

func call(address string) string {
	connection, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return err.Error()
	}
	defer connection.Close()
	text, _ := io.ReadAll(connection)
	return string(text)
}

func moves(value *atomic.Int64) bool {
	for before, i := value.Load(), 0; i < 500; i++ {
		if value.Load() > before {
			return true
		}
		time.Sleep(5 * time.Millisecond)
	}
	return false
}

func publish(file, text string) {
	if os.WriteFile(file+".draft", []byte(text), 0o600) != nil || os.Rename(file+".draft", file) != nil {
		os.Exit(3)
	}
}

func main() {
	state := os.Args[1]
	startRing()
	all := make([]chain, chains)
	for i := range all {
		go all[i].run()
	}
	ask, depth := make(chan struct{}), make(chan int)
	const levels = 10_000
	goDeep := func() { go func() { depth <- deep(levels, ask) }() }
	goDeep()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		os.Exit(2)
	}
	go serve(listener)
	ticker := time.NewTicker(2 * time.Millisecond)
	go func() {
		for range ticker.C {
			ticks.Add(1)
		}
	}()
	words := map[int]string{}
	for i := range 100_000 {
		words[i] = strings.Repeat(fmt.Sprint(i), 5)
	}

	check := func() (faults []string) {
		runtime.GC()
		if !moves(&passed) || !moves(&ticks) {
			faults = append(faults, "the ring or the ticker stands still")
		}
		for i := range all {
			if !all[i].holds() {
				faults = append(faults, fmt.Sprintf("chain %d is wrong", i))
			}
		}
		ask <- struct{}{}
		if found := <-depth; found != levels {
			faults = append(faults, fmt.Sprintf("the deep stack has %d good levels", found))
		}
		goDeep()
		want := fmt.Sprintf("caller %d", callers.Load()+1)
		if got := call(listener.Addr().String()); got != want {
			faults = append(faults, "the server says "+got)
		}
		for i, word := range words {
			if word != strings.Repeat(fmt.Sprint(i), 5) {
				faults = append(faults, fmt.Sprintf("word %d is wrong", i))
			}
		}
		return faults
	}

	publish(filepath.Join(state, "ready"), "ready\n")
	for round := 1; ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(state, fmt.Sprintf("check.%d", round))); err != nil {
			continue
		}
		answer := fmt.Sprintf("ok %d\n", passed.Load())
		if faults := check(); len(faults) > 0 {
			answer = "FAIL\n" + strings.Join(faults, "\n")
		}
		publish(filepath.Join(state, fmt.Sprintf("result.%d", round)), answer)
		round++
	}
}
