// The usual way in Go: gorilla/websocket, a goroutine for each stream, payloads appended to a file.
//
//	gorilla URL STREAMS FOLDER [CA]
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const rtpHeader = 12

func record(dialer *websocket.Dialer, url string, name string) {
	stream, _, err := dialer.Dial(url, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer stream.Close()
	file, err := os.Create(name)
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	// As large as the buffer of Python's files, so that all write equally often.
	buffered := bufio.NewWriterSize(file, 8192)
	defer buffered.Flush()
	for {
		_, message, err := stream.ReadMessage()
		if err != nil {
			return
		}
		if _, err := buffered.Write(message[rtpHeader:]); err != nil {
			log.Fatal(err)
		}
	}
}

func main() {
	base, folder := os.Args[1], os.Args[3]
	streams, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	dialer := &websocket.Dialer{}
	if len(os.Args) > 4 {
		pem, err := os.ReadFile(os.Args[4])
		if err != nil {
			log.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		dialer.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	var running sync.WaitGroup
	for number := 1; number <= streams; number++ {
		id := fmt.Sprintf("1ed12456-eb4b-11ee-bba8-%012x", number)
		url := base + "/conferences/" + id + "/media_stream?encapsulation=rtp"
		name := filepath.Join(folder, strconv.Itoa(number))
		running.Add(1)
		go func() {
			defer running.Done()
			record(dialer, url, name)
		}()
		time.Sleep(2 * time.Millisecond)
	}
	running.Wait()
}
