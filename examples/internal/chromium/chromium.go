// Package chromium drives a headless Chromium for the tests and the screenshots
// of the examples, and records faults: errors on the console, failed requests,
// requests to another host.
package chromium

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// stepTime is how long one step may take.
const stepTime = 30 * time.Second

// Browser is a process of Chromium. Each tab has its own cookies.
type Browser struct{ ctx context.Context }

// Start starts a browser; stop ends it. Chromium or Chrome must be in the PATH.
// If chromium-headless-shell is there too, that runs: the same browser without
// windows, which takes half the processor time.
func Start(ctx context.Context) (b *Browser, stop func(), err error) {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		// The last two are pages behind the address bar, which each tab would load.
		chromedp.Flag("disable-features",
			"Translate,BlinkGenPropertyTrees,WebUIOmniboxPopup,WebUIOmniboxAimPopup"))
	if shell, err := exec.LookPath("chromium-headless-shell"); err == nil {
		options = append(options, chromedp.ExecPath(shell))
	}
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // as root it refuses to have one
	}
	allocator, stopAllocator := chromedp.NewExecAllocator(ctx, options...)
	browser, stopBrowser := chromedp.NewContext(allocator)
	stop = func() { stopBrowser(); stopAllocator() }
	if err := chromedp.Do(browser); err != nil {
		stop()
		return nil, nil, fmt.Errorf("chromium: %w", err)
	}
	return &Browser{browser}, stop, nil
}

// Look is how pages are shown. The zero value is English, light and 1280 x 800.
type Look struct {
	Language      string // for Accept-Language; "": en
	Width, Height int64
	Dark          bool
}

// Tab is a page and its faults. Its methods wait until what they start is done.
type Tab struct {
	ctx  context.Context
	host string

	mu     sync.Mutex
	faults []string
}

// Open opens a tab for pages at base; shut closes it.
func (b *Browser) Open(base string, look Look) (t *Tab, shut func(), err error) {
	ctx, shut := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	u, err := url.Parse(base)
	if err == nil {
		t = &Tab{ctx: ctx, host: u.Host}
		err = t.prepare(look)
	}
	if err != nil {
		shut()
		return nil, nil, fmt.Errorf("chromium: %w", err)
	}
	return t, shut, nil
}

func (t *Tab) prepare(look Look) error {
	if look.Language == "" {
		look.Language = "en"
	}
	if look.Width == 0 {
		look.Width, look.Height = 1280, 800
	}
	scheme := "light"
	if look.Dark {
		scheme = "dark"
	}
	if err := chromedp.Listen(t.ctx, t.notice); err != nil {
		return err
	}
	agent, err := chromedp.Run(t.ctx, chromedp.Evaluate[string]("navigator.userAgent"))
	if err != nil {
		return err
	}
	if _, err := chromedp.Call(t.ctx, emulation.SetUserAgentOverride,
		emulation.SetUserAgentOverrideParams{UserAgent: agent,
			AcceptLanguage: look.Language}); err != nil {
		return err
	}
	if _, err := chromedp.Call(t.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}); err != nil {
		return err
	}
	return chromedp.Do(t.ctx, chromedp.EmulateViewport(look.Width, look.Height))
}

// notice is called for each event, in order.
func (t *Tab) notice(event any) {
	fault := ""
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err != nil || u.Host != t.host {
			fault = "request to another host: " + e.Request.URL
		}
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 {
			fault = fmt.Sprintf("status %d: %s", e.Response.Status, e.Response.URL)
		}
	case *network.EventLoadingFailed:
		if !e.Canceled { // a page that is left while it loads is cancelled
			fault = "request failed: " + e.ErrorText
		}
	case *log.EventEntryAdded:
		// Network errors are handled above. An info is no fault: on a busy
		// machine there is one when a field is filled in before the browser
		// focuses another.
		if e.Entry.Source != "network" && e.Entry.Level != log.EntryLevelInfo {
			fault = fmt.Sprintf("%s: %s", e.Entry.Level, e.Entry.Text)
		}
	case *runtime.EventConsoleAPICalled:
		fault = "console: " + string(e.Type)
	case *runtime.EventExceptionThrown:
		fault = "exception: " + e.ExceptionDetails.Text
	}
	if fault != "" {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.faults = append(t.faults, fault)
	}
}

// Faults returns the faults of the pages since the last call.
func (t *Tab) Faults() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	faults := t.faults
	t.faults = nil
	return faults
}

func (t *Tab) run(what string, action chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(t.ctx, stepTime)
	defer cancel()
	if err := chromedp.Do(ctx, action); err != nil {
		return fmt.Errorf("chromium: %s: %w", what, err)
	}
	return nil
}

// Visit opens an address.
func (t *Tab) Visit(address string) error {
	if err := t.run("visit "+address, chromedp.Navigate(address)); err != nil {
		return err
	}
	return t.settle()
}

// settle puts animations at their ends, as buttons may appear later than the page.
func (t *Tab) settle() error {
	return t.Until("document.getAnimations().every(a => { a.finish(); return true; })")
}

// Back goes back in the history.
func (t *Tab) Back() error { return t.run("back", chromedp.NavigateBack()) }

// Type replaces the text of the field that the CSS selector names.
func (t *Tab) Type(selector, text string) error {
	return t.run("type into "+selector, chromedp.Steps(
		chromedp.Clear(chromedp.CSS(selector)), chromedp.SendKeys(chromedp.CSS(selector), text)))
}

// Keys presses keys at the focus.
func (t *Tab) Keys(keys string) error { return t.run("keys", chromedp.KeyEvent(keys)) }

// Click clicks on something that stays on this page.
func (t *Tab) Click(selector string) error {
	return t.run("click on "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// ClickAt clicks at a position, in pixels.
func (t *Tab) ClickAt(x, y float64) error {
	return t.run("click at a place", chromedp.MouseClickXY(x, y))
}

// Follow clicks and waits for the next page.
func (t *Tab) Follow(selector string) error {
	if err := t.next("click on "+selector, chromedp.Click(chromedp.CSS(selector))); err != nil {
		return err
	}
	return t.settle()
}

// Enter presses the key and waits for the next page.
func (t *Tab) Enter() error {
	if err := t.next("enter", chromedp.KeyEvent("\r")); err != nil {
		return err
	}
	return t.settle()
}

// FollowTwice clicks twice, as some people do, and waits until no further page
// loads: the page shown is that of the second click.
func (t *Tab) FollowTwice(selector string) error {
	return t.next("double click on "+selector, chromedp.DoubleClick(chromedp.CSS(selector)))
}

func (t *Tab) next(what string, action chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(t.ctx, stepTime)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.WaitEvent(page.LoadEventFired, nil, action)); err != nil {
		return fmt.Errorf("chromium: the page after %s: %w", what, err)
	}
	return nil
}

// Until waits until a JavaScript expression is true, on this page or the next.
func (t *Tab) Until(expression string) error {
	ctx, cancel := context.WithTimeout(t.ctx, stepTime)
	defer cancel()
	for {
		_, err := chromedp.Run(ctx, chromedp.Poll[chromedp.Void](expression))
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("chromium: until %s: %w", expression, err)
		}
	}
}

// Eval returns the value of a JavaScript expression, after it is awaited.
func Eval[T any](t *Tab, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(t.ctx, stepTime)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		return value, fmt.Errorf("chromium: %.60s: %w", strings.TrimSpace(expression), err)
	}
	return value, nil
}

// PNG returns a picture of the visible part of the page.
func (t *Tab) PNG() ([]byte, error) {
	ctx, cancel := context.WithTimeout(t.ctx, stepTime)
	defer cancel()
	return chromedp.Run(ctx, chromedp.CaptureScreenshot())
}
