package main

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"testing"
)

// handshake makes a mutual TLS handshake over loopback with the files of makeTLS.
func handshake(t *testing.T, j *job) error {
	t.Helper()
	ca, err := os.ReadFile(j.tlsPath("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		t.Fatal("no certificate in ca.pem")
	}
	server, err := tls.LoadX509KeyPair(j.tlsPath("server.pem"), j.tlsPath("server.pem"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := tls.LoadX509KeyPair(j.tlsPath("client.crt"), j.tlsPath("client.key"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{server}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			defer c.Close()
			err = c.(*tls.Conn).Handshake()
		}
		served <- err
	}()
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	c := tls.Client(raw, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", Certificates: []tls.Certificate{client}})
	if err := c.Handshake(); err != nil {
		return err
	}
	return <-served
}
