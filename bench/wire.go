// This file is a small HTTP client that allocates nothing.

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// wire is a [sender] on one connection that is kept alive. It knows as much of
// HTTP/1.1 as the peers use: a length or chunks.
type wire struct {
	conn     net.Conn
	in       *bufio.Reader
	out      []byte
	answered []byte // the body
	moved    string
}

// answerTime is how long a server may take to answer. One that hangs ends the
// run.
const answerTime = 20 * time.Second

func dial(addr string) (*wire, error) {
	conn, err := net.DialTimeout("tcp", addr, answerTime)
	if err != nil {
		return nil, err
	}
	return &wire{conn: conn, in: bufio.NewReaderSize(conn, 16<<10)}, nil
}

func (c *wire) location() string { return c.moved }
func (c *wire) body() []byte     { return c.answered }

func (c *wire) send(method, path, authorization string, body []byte) (status int, err error) {
	c.out = append(c.out[:0], method...)
	c.out = append(append(append(c.out, ' '), path...), " HTTP/1.1\r\nHost: 127.0.0.1\r\n"...)
	if authorization != "" {
		c.out = append(append(append(c.out, "Authorization: "...), authorization...), "\r\n"...)
	}
	if body != nil {
		c.out = append(c.out, "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: "...)
		c.out = append(strconv.AppendInt(c.out, int64(len(body)), 10), "\r\n"...)
	}
	c.out = append(append(c.out, "\r\n"...), body...)
	if err := c.conn.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return 0, err
	}
	if _, err := c.conn.Write(c.out); err != nil {
		return 0, err
	}
	return c.receive()
}

var errNoHTTP = errors.New("the answer is no HTTP")

func (c *wire) receive() (status int, err error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, errNoHTTP
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, errNoHTTP
	}
	length, chunked := 0, false
	c.moved, c.answered = "", c.answered[:0]
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, errNoHTTP
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = true
		case bytes.EqualFold(name, []byte("Location")):
			c.moved = string(value)
		case bytes.EqualFold(name, []byte("Connection")) && bytes.EqualFold(value, []byte("close")):
			return 0, errors.New("the connection is not kept alive")
		}
	}
	if !chunked {
		return status, c.read(length)
	}
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		size, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
		if err != nil {
			return 0, fmt.Errorf("%w: %w", errNoHTTP, err)
		}
		if err := c.read(int(size)); err != nil {
			return 0, err
		}
		if _, err := c.in.ReadSlice('\n'); err != nil {
			return 0, err
		}
		if size == 0 {
			return status, nil
		}
	}
}

// read appends many bytes to the body.
func (c *wire) read(many int) error {
	if many > 1<<20 {
		return errNoHTTP
	}
	at := len(c.answered)
	c.answered = append(c.answered, make([]byte, many)...)
	_, err := io.ReadFull(c.in, c.answered[at:])
	return err
}
