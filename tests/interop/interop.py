"""The other side of the interop test: PyJWT and python3-cryptography, which share no code with the daemon.

make DIR   writes key files of every kind into DIR, and prints tokens signed with them, and the time
verify     reads [{alg, key, token}] from stdin, verifies each with PyJWT, and prints their claims and headers
jwks       reads [{jwks, token}] from stdin, and verifies each by the key that its kid names in the set
"""

import base64
import hashlib
import hmac
import json
import sys
import time
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

RSA = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
COOKIE = b"35a496b4d4aa7dcb08389ef2e22728dc"
ISSUER = "https://python.example.com"
AUDIENCE = "interop"
# What `openssl ecparam -genkey` writes before the key: the name of the curve.
PARAMETERS = {"ES256": "BggqhkjOPQMBBw==", "ES384": "BgUrgQQAIg=="}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, length=None):
    return b64(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


def private_jwk(key):
    if isinstance(key, rsa.RSAPrivateKey):
        n = key.private_numbers()
        parts = {"d": n.d, "p": n.p, "q": n.q, "dp": n.dmp1, "dq": n.dmq1, "qi": n.iqmp}
        return {**public_jwk(key.public_key()), **{name: number(value) for name, value in parts.items()}}
    if isinstance(key, ec.EllipticCurvePrivateKey):
        length = key.curve.key_size // 8
        return {**public_jwk(key.public_key()), "d": number(key.private_numbers().private_value, length)}
    raw = key.private_bytes(s.Encoding.Raw, s.PrivateFormat.Raw, s.NoEncryption())
    return {**public_jwk(key.public_key()), "d": b64(raw)}


def public_jwk(key):
    if isinstance(key, rsa.RSAPublicKey):
        n = key.public_numbers()
        return {"kty": "RSA", "n": number(n.n), "e": number(n.e)}
    if isinstance(key, ec.EllipticCurvePublicKey):
        n, length = key.public_numbers(), key.curve.key_size // 8
        crv = {256: "P-256", 384: "P-384"}[key.curve.key_size]
        return {"kty": "EC", "crv": crv, "x": number(n.x, length), "y": number(n.y, length)}
    return {"kty": "OKP", "crv": "Ed25519", "x": b64(key.public_bytes(s.Encoding.Raw, s.PublicFormat.Raw))}


def pem(key, form):
    return key.private_bytes(s.Encoding.PEM, form, s.NoEncryption())


def public_pem(key, form):
    return key.public_bytes(s.Encoding.PEM, form)


def files(alg, key, other):
    """Every file that can hold the key: name, bytes, whether it is private, the kid that it gives."""
    public = key.public_key()
    named = {"kid": "python", "use": "sig", "alg": alg}
    stranger = {**public_jwk(other.public_key()), "kid": "other", "alg": alg}
    yield "pkcs8.pem", pem(key, s.PrivateFormat.PKCS8), True, None
    if alg != "EdDSA":
        yield "traditional.pem", pem(key, s.PrivateFormat.TraditionalOpenSSL), True, None  # PKCS#1, SEC 1
    if alg in PARAMETERS:
        block = f"-----BEGIN EC PARAMETERS-----\n{PARAMETERS[alg]}\n-----END EC PARAMETERS-----\n"
        yield "parameters.pem", block.encode() + pem(key, s.PrivateFormat.TraditionalOpenSSL), True, None
    yield "jwk.json", json.dumps(private_jwk(key)).encode(), True, None
    yield "named.jwk.json", json.dumps({**private_jwk(key), **named}).encode(), True, "python"
    both = {"keys": [stranger, {**private_jwk(key), **named}]}
    yield "jwks.json", json.dumps(both, indent=1).encode(), True, "python"
    yield "public.pem", public_pem(public, s.PublicFormat.SubjectPublicKeyInfo), False, None
    if alg in RSA:
        yield "public.pkcs1.pem", public_pem(public, s.PublicFormat.PKCS1), False, None
    yield "public.jwk.json", json.dumps(public_jwk(public)).encode(), False, None
    yield "public.jwks.json", json.dumps({"keys": [stranger, {**public_jwk(public), **named}]}).encode(), False, "python"


def secret_files(alg, secret):
    jwk = {"kty": "oct", "k": b64(secret)}
    yield "raw", secret, True, None
    yield "newline", secret + b"\n", True, None
    yield "jwk.json", json.dumps(jwk).encode(), True, None
    yield "named.jwk.json", json.dumps({**jwk, "kid": "python", "alg": alg}).encode(), True, "python"
    yield "jwks.json", json.dumps({"keys": [{**jwk, "kid": "python"}]}).encode(), True, "python"


def claims(now):
    return {
        "iss": ISSUER, "aud": [AUDIENCE, "else"], "sub": "zoë", "iat": now, "nbf": now, "exp": now + 600,
        "jti": "python-1", "big": 2**70, "float": 1.5, "text": "☃ 😀 \u0000 \"\\", "deep": {"b": [1, None, True], "a": {}},
    }


def make(directory):
    now = int(time.time())
    rsa_keys = [rsa.generate_private_key(65537, 2048) for _ in range(2)]
    keys = {alg: rsa_keys for alg in RSA}
    keys["ES256"] = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    keys["ES384"] = [ec.generate_private_key(ec.SECP384R1()) for _ in range(2)]
    keys["EdDSA"] = [ed25519.Ed25519PrivateKey.generate() for _ in range(2)]
    secret = ("s" + hashlib.sha512(str(time.time_ns()).encode()).hexdigest()).encode()
    answer = {"now": now, "claims": claims(now), "cookie": COOKIE.decode(), "algorithms": {}}
    for alg in ["HS256", "HS384", "HS512", *RSA, "ES256", "ES384", "EdDSA"]:
        hmac_key = alg.startswith("HS")
        key = secret if hmac_key else keys[alg][0]
        made = []
        for name, content, private, kid in secret_files(alg, secret) if hmac_key else files(alg, *keys[alg]):
            path = Path(directory) / f"{alg}.{name}"
            path.write_bytes(content)
            made.append({"path": str(path), "private": private, "kid": kid})
        locked = {}
        if hmac_key:
            derived = hmac.new(secret, b"jwtkeeper lock\0" + COOKIE, "sha" + alg[2:]).digest()
            locked["derived"] = jwt.encode(claims(now), derived, algorithm=alg)
            locked["concat"] = jwt.encode(claims(now), secret + COOKIE, algorithm=alg)
        else:
            lck = b64(hashlib.sha256(COOKIE).digest())
            locked["claim"] = jwt.encode({**claims(now), "jwtkeeper": {"lock": lck}}, key, algorithm=alg)
        answer["algorithms"][alg] = {
            "files": made,
            "token": jwt.encode(claims(now), key, algorithm=alg),
            "named_token": jwt.encode(claims(now), key, algorithm=alg, headers={"kid": "python"}),
            "locked": locked,
        }
    return answer


def key_of(alg, path):
    content = Path(path).read_bytes()
    return content if alg.startswith("HS") else s.load_pem_public_key(content)


def decode(token, key, alg):
    return jwt.decode(
        token, key, algorithms=[alg], issuer=ISSUER, audience=AUDIENCE,
        options={"require": ["exp", "iat", "nbf", "jti", "iss", "aud"]},
    )


def verify(asked):
    return [
        {"claims": decode(one["token"], key_of(one["alg"], one["key"]), one["alg"]),
         "header": jwt.get_unverified_header(one["token"])}
        for one in asked
    ]


def jwks(asked):
    answers = []
    for one in asked:
        header = jwt.get_unverified_header(one["token"])
        key = {key.key_id: key for key in jwt.PyJWKSet.from_dict(one["jwks"]).keys}[header["kid"]]
        answers.append({"claims": decode(one["token"], key.key, header["alg"]), "header": header})
    return answers


if __name__ == "__main__":
    work = sys.argv[1]
    print(json.dumps(make(sys.argv[2]) if work == "make" else {"verify": verify, "jwks": jwks}[work](json.load(sys.stdin))))
