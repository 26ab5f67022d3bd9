// Command server is a whole application with an authorization server in it:
// pages to sign in, consent and take consent back, the token endpoint, an API,
// and two clients that connect to them. Start it, open the address that it
// prints, and follow a token from its issue to its end.
//
//	go run ./examples/server [-v] [-addr 127.0.0.1:8080] [-mongo mongodb://127.0.0.1:27017/]
//		[-url https://auth.example -proxy 127.0.0.1/32]
//
// With -addr 0.0.0.0:8080 or -url http://192.168.1.5:8080, a phone in the same
// network can try it.
//
// It knows the client 123456 with the secret qwerty and the user andy with the
// password 123456. Everything is in memory and forgotten at the end. With
// -mongo, everything but the sign-in sessions is in MongoDB. To start one for a
// try:
//
//	go run -C tools ./ferretdb
package main

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/seed-11d18166/oauth2server/examples/internal/demo"
)

//go:embed templates words static
var files embed.FS

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(report(run(ctx, os.Args[1:], os.Stdout, files)))
}

// report prints the error on one line and returns the exit status: 2 for a
// mistake on the command line.
func report(err error) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	fmt.Fprintln(os.Stderr, "server:", err)
	var usage usageError
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}

// usageError is a mistake on the command line.
type usageError struct{ error }

// run serves until ctx is done, then lets the requests in flight end.
func run(ctx context.Context, args []string, out io.Writer, files fs.FS) error {
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	addr := flags.String("addr", "",
		"`address` to listen on (default "+demo.Addr+", or for a -url of plain http its port,\n"+
			"from other machines, too); with 0.0.0.0:8080, other machines in this network can try it")
	public := flags.String("url", "", "`URL` by which browsers reach it, such as "+
		"https://auth.example, behind a proxy\n"+
		"that passes Host; without it, http and the address")
	proxy := flags.String("proxy", "", "`networks` that proxies of ours connect from, such as "+
		"127.0.0.1/32,10.0.0.0/8:\n"+
		"what they add to X-Forwarded-For or Forwarded is believed")
	mongo := flags.String("mongo", "", "`URI` of a MongoDB to keep everything in but sign-in "+
		"sessions; without it,\n"+
		"everything is in memory")
	verbose := flags.Bool("v", false, "print a line for each step of OAuth, with the reason of "+
		"each refusal")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		flags.SetOutput(out)
		flags.PrintDefaults()
		return err
	} else if err != nil {
		return usageError{err}
	}
	if flags.NArg() > 0 {
		return usageError{fmt.Errorf("unexpected argument %q", flags.Arg(0))}
	}
	base, err := origin(*public)
	if err != nil {
		return usageError{err}
	}
	proxies, err := prefixes(*proxy)
	if err != nil {
		return usageError{err}
	}
	listener, err := net.Listen("tcp", cmp.Or(*addr, addressFor(base)))
	if err != nil {
		return err
	}
	place := listener.Addr().(*net.TCPAddr)
	everywhere := base == "" && place.IP.IsUnspecified()
	base = cmp.Or(base, "http://"+demo.Reachable(place))
	model, closeModel, err := open(ctx, *mongo, base)
	if err != nil {
		listener.Close()
		return err
	}
	defer closeModel()
	var steps io.Writer
	if *verbose {
		steps = out
	}
	made, err := newSetup(ctx, proxies, model, files, steps)
	if err != nil {
		listener.Close()
		return err
	}
	if strings.HasPrefix(base, "http://") {
		made.transport = straightTo(place)
	}
	handler, err := handlerOf(made, base, everywhere)
	if err != nil {
		listener.Close()
		return err
	}
	welcome(out, base, everywhere, place.Port)
	return demo.Serve(ctx, listener, handler)
}

// addressFor returns the default address to listen on: of this machine alone,
// unless base is a plain http URL for other machines.
func addressFor(base string) string {
	u, err := url.Parse(base)
	if err != nil || !inClear(base) || u.Port() == "" {
		return demo.Addr
	}
	return ":" + u.Port()
}

// origin returns a URL as browsers write it in Origin and Host; an empty one
// stays empty.
func origin(public string) (string, error) {
	if public == "" {
		return "", nil
	}
	u, err := url.Parse(public)
	if err != nil || u.Host == "" || !strings.EqualFold(public, u.Scheme+"://"+u.Host) {
		return "", fmt.Errorf("-url %q: want scheme and host alone, as in https://auth.example", public)
	}
	return u.Scheme + "://" + strings.TrimSuffix(strings.ToLower(u.Host), defaultPorts[u.Scheme]), nil
}

// prefixes reads a list of networks.
func prefixes(list string) (networks []netip.Prefix, err error) {
	for _, text := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("-proxy: %w", err)
		}
		networks = append(networks, network)
	}
	return networks, nil
}

// open returns the storage that the flag -mongo asks for.
func open(ctx context.Context, mongo, base string) (storage, func(), error) {
	if mongo != "" {
		return openMongo(ctx, mongo, base)
	}
	model, err := openMemory(base)
	return model, func() {}, err
}

// handlerOf returns the application at base, or at each host of this machine.
func handlerOf(made setup, base string, everywhere bool) (http.Handler, error) {
	if everywhere {
		return newHosts(made, base)
	}
	return made.app(base)
}

// welcome prints where the application is, and what to try there.
func welcome(out io.Writer, base string, everywhere bool, port int) {
	text := fmt.Sprintf(story, base)
	if there := elsewhere(port); everywhere && len(there) > 0 {
		text += "\nOther machines in this network find it at " + strings.Join(there, "/ and ") + "/\n"
	}
	if everywhere || inClear(base) {
		text += "\nThis is plain http: whoever is in this network can read passwords and tokens. Use it\n" +
			"to try things out, and no more.\n"
	}
	fmt.Fprint(out, text+"\nCtrl-C stops it.\n")
}

const story = `The example is at %[1]s/

Open it in a browser, press Connect and sign in as andy with the password 123456. Or be the client
123456, whose secret is qwerty, and try:

  curl -u 123456:qwerty -d grant_type=client_credentials %[1]s/user/token
  curl -u 123456:qwerty -d grant_type=password -d username=andy -d password=123456 %[1]s/user/token
  curl -H "Authorization: Bearer ACCESS_TOKEN" %[1]s/user/authenticate
  curl -u 123456:qwerty -d token=ACCESS_TOKEN %[1]s/user/introspect
  curl -u 123456:qwerty -d token=ACCESS_TOKEN %[1]s/user/revoke
  curl %[1]s/.well-known/openid-configuration
`
