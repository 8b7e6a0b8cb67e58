# ssh-keygen and openssl: keys, signatures, certificates, random numbers, passphrases by a child.
set -eu
ssh-keygen -q -t ed25519 -N '' -C comment -f key
ssh-keygen -y -f key | cut -d' ' -f1
echo text >text
ssh-keygen -q -Y sign -f key -n file text 2>/dev/null
head -n 1 text.sig
openssl genpkey -algorithm ed25519 -out private.pem
openssl req -new -x509 -key private.pem -subj /CN=example -days 1 -out certificate.pem -config /dev/null 2>/dev/null || openssl req -new -x509 -key private.pem -subj /CN=example -days 1 -out certificate.pem
openssl x509 -in certificate.pem -noout -subject
openssl pkeyutl -sign -inkey private.pem -rawin -in text -out signature
openssl dgst -sha256 text
openssl rand -out random 16
wc -c <random
