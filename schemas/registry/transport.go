package registry

import (
	"crypto/tls"
	"io"
	"net/http"
	"time"
)

// maxAnswer bounds one answer, decompressed.
const maxAnswer = 4 << 20

// newHTTP is a client that follows no redirects, reads no more than maxAnswer
// and gives up after timeout.
func newHTTP(t *tls.Config, timeout time.Duration) *http.Client {
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.MaxIdleConnsPerHost = 4
	tr.MaxResponseHeaderBytes = 64 << 10
	if t != nil {
		tr.TLSClientConfig = t.Clone()
	}
	return &http.Client{
		Timeout:   timeout,
		Transport: limited{tr},
		// A redirect could take our credentials, or us, to a host nobody configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// limited bounds every answer's body.
type limited struct{ next *http.Transport }

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(r)
	if err == nil {
		resp.Body = &limitedBody{ReadCloser: resp.Body, left: maxAnswer}
	}
	return resp, err
}

// CloseIdleConnections makes http.Client's method reach the transport.
func (l limited) CloseIdleConnections() { l.next.CloseIdleConnections() }

// limitedBody fails with errTooLarge instead of ending early: a cut schema
// could be a valid one.
type limitedBody struct {
	io.ReadCloser
	left int
}

func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}
