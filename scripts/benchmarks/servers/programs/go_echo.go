// An echo on gliderlabs/ssh: `go-echo PORT HOST_KEY AUTHORIZED_KEYS`.
package main

import (
	"io"
	"log"
	"os"

	"github.com/gliderlabs/ssh"
)

func main() {
	line, err := os.ReadFile(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	allowed, _, _, _, err := ssh.ParseAuthorizedKey(line)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(ssh.ListenAndServe(
		"127.0.0.1:"+os.Args[1],
		func(session ssh.Session) { io.Copy(session, session) },
		ssh.HostKeyFile(os.Args[2]),
		ssh.PublicKeyAuth(func(_ ssh.Context, key ssh.PublicKey) bool {
			return ssh.KeysEqual(key, allowed)
		}),
	))
}
