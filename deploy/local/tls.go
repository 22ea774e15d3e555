package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func (j *job) tlsPath(name string) string { return filepath.Join(j.dir, "tls", name) }
func (j *job) secretPath(name string) string {
	return filepath.Join(j.dir, "secrets", name+".password")
}

// secret is a password that is drawn once and kept, 0600, in the data folder.
func (j *job) secret(name string) (string, error) {
	if pass := j.drawn(name); pass != "" {
		return pass, nil
	}
	pass := rand.Text()
	return pass, writeFile(j.secretPath(name), []byte(pass+"\n"), 0o600)
}

// drawn is the password if there is one already.
func (j *job) drawn(name string) string {
	b, err := os.ReadFile(j.secretPath(name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// makeTLS makes, once, a CA and what it signs: server.pem for the broker and
// client.pem for clients that want mutual TLS (both key and chain in one PEM file,
// as Kafka's PEM key stores want it), and configuration files for Java clients
// and kcat.
func (j *job) makeTLS() error {
	if _, err := os.Stat(j.tlsPath("kcat.conf")); err == nil {
		return nil
	}
	ca, err := newCA()
	if err != nil {
		return err
	}
	if err := writeFile(j.tlsPath("ca.pem"), ca.pem, 0o644); err != nil {
		return err
	}
	for _, name := range []string{"server", "client"} {
		cert, key, err := ca.issue(name)
		if err != nil {
			return err
		}
		if err := writeFile(j.tlsPath(name+".pem"), append(key, cert...), 0o600); err != nil {
			return err
		}
		if err := writeFile(j.tlsPath(name+".crt"), cert, 0o644); err != nil {
			return err
		}
		if err := writeFile(j.tlsPath(name+".key"), key, 0o600); err != nil {
			return err
		}
	}
	pass, err := j.secret("kafka-weir")
	if err != nil {
		return err
	}
	if err := writeFile(j.tlsPath("client.properties"), []byte(j.javaClient(pass)), 0o600); err != nil {
		return err
	}
	return writeFile(j.tlsPath("kcat.conf"), []byte(j.kcatConf(pass)), 0o600)
}

func (j *job) javaClient(pass string) string {
	p := &properties{}
	p.set("security.protocol", "SASL_SSL")
	p.set("sasl.mechanism", "SCRAM-SHA-512")
	p.set("sasl.jaas.config", fmt.Sprintf(
		"org.apache.kafka.common.security.scram.ScramLoginModule required username=%q password=%q;", "weir", pass))
	p.set("ssl.truststore.type", "PEM")
	p.set("ssl.truststore.location", j.tlsPath("ca.pem"))
	return p.String()
}

func (j *job) kcatConf(pass string) string {
	p := &properties{}
	p.set("security.protocol", "SASL_SSL")
	p.set("sasl.mechanism", "PLAIN")
	p.set("sasl.username", "weir")
	p.set("sasl.password", pass)
	p.set("ssl.ca.location", j.tlsPath("ca.pem"))
	return p.String()
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newCA() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := certTemplate("weir local CA")
	t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{cert, key, pemBlock("CERTIFICATE", der)}, nil
}

// issue signs a certificate for this machine's loopback names. The CA's own key
// is never written anywhere.
func (a *authority) issue(name string) (cert, key []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	t := certTemplate("weir local " + name)
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	t.DNSNames = []string{"localhost"}
	t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, &k.PublicKey, a.key)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return nil, nil, err
	}
	return append(pemBlock("CERTIFICATE", der), a.pem...), pemBlock("PRIVATE KEY", pkcs8), nil
}

func certTemplate(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(5, 0, 0),
	}
}

func pemBlock(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
