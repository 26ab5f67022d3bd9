// Command screenshots takes the pictures that README.md and docs/try-it.md
// show, of examples/server as it is. It needs Chromium.
//
//	go run ./examples/server/screenshots [-out docs/images]
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"

	"github.com/seed-11d18166/oauth2server/examples/internal/chromium"
)

func main() {
	out := flag.String("out", filepath.Join("docs", "images"), "`directory` for the pictures")
	flag.Parse()
	if err := run(context.Background(), *out); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out string) error {
	base, stopServer, err := serve(ctx)
	if err != nil {
		return err
	}
	defer stopServer()
	browser, stopBrowser, err := chromium.Start(ctx)
	if err != nil {
		return err
	}
	defer stopBrowser()
	look := chromium.Look{Width: 560, Height: 520}
	for _, story := range []struct {
		look     chromium.Look
		button   string            // of the client, which begins it
		pictures map[string]string // the names of the pages, and of the files
	}{
		{look, "/client/connect", map[string]string{
			"sign-in": "sign-in", "consent": "consent", "client": "client", "connected": "connected"}},
		{look, "/client/signin", map[string]string{"consent": "consent-openid", "client": "signed-in"}},
		{chromium.Look{
			Width:    look.Width,
			Height:   look.Height,
			Language: "zh-CN",
			Dark:     true,
		}, "/client/connect", map[string]string{"consent": "consent-zh-dark"}},
	} {
		tab, shut, err := browser.Open(base, story.look)
		if err != nil {
			return err
		}
		err = errors.Join(tell(tab, base, out, story.button, story.pictures), faults(tab))
		shut()
		if err != nil {
			return err
		}
	}
	return nil
}

// tell walks through the story of README.md, which begins with a button of the
// client, and takes pictures of its pages.
func tell(tab *chromium.Tab, base, out, button string, pictures map[string]string) error {
	for _, step := range []struct {
		page string // the page shown then; empty if there is nothing new
		do   func() error
	}{
		{"", func() error { return tab.Visit(base + "/client/") }},
		{"sign-in", func() error { return tab.Follow(fmt.Sprintf("form[action=%q] button", button)) }},
		{"", func() error { return tab.Type("#username", "andy") }},
		{"", func() error { return tab.Type("#password", "123456") }},
		{"consent", func() error { return tab.Follow("button") }},
		{"client", func() error { return tab.Follow("button[value=allow]") }},
		{"connected", func() error { return tab.Visit(base + "/apps") }},
		{"", func() error { return tab.Follow("form button") }},
	} {
		if err := step.do(); err != nil {
			return err
		}
		if pictures[step.page] == "" {
			continue
		}
		png, err := tab.PNG()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(out, pictures[step.page]+".png"), png, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func faults(tab *chromium.Tab) error {
	if faults := tab.Faults(); len(faults) > 0 {
		return fmt.Errorf("the pages did what they must not: %q", faults)
	}
	return nil
}

// serve builds and starts the example, and returns its address.
func serve(ctx context.Context) (base string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "screenshots")
	if err != nil {
		return "", nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	program := filepath.Join(dir, "server")
	build := exec.CommandContext(ctx, "go", "build", "-o", program,
		"github.com/seed-11d18166/oauth2server/examples/server")
	if output, err := build.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("%w: %s", err, output)
	}
	server := exec.CommandContext(ctx, program, "-addr", "127.0.0.1:0")
	printed, err := server.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := server.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		server.Process.Kill()
		server.Wait() // its error reports that it was killed
		os.RemoveAll(dir)
	}
	line, err := bufio.NewReader(printed).ReadString('\n')
	base = regexp.MustCompile(`http://[0-9.:]+`).FindString(line)
	if err != nil || base == "" {
		stop()
		return "", nil, fmt.Errorf("the server did not start: %q %w", line, err)
	}
	return base, stop, nil
}
