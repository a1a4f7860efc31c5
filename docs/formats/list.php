<?php
// A code list for one door, made without any of our code: PIN verifiers, a QR pass, the signed envelope, encryption to
// the door. PHP 8.1 with sodium and openssl. Keys are JWK files of either kind: Ed25519 or P-256 signs, X25519 or P-256
// reads.
//
//     php list.php plain.json list.jwk door.pub.jwk > list.jwe       prints each grant's QR text on standard error
//
// plain.json is that of README.md beside this file; every instant, `policy` whole.

[, $input, $listKey, $doorKey] = $argv;
$plain = json_decode(file_get_contents($input), true, flags: JSON_THROW_ON_ERROR);
$signer = json_decode(file_get_contents($listKey), true);
$reader = json_decode(file_get_contents($doorKey), true);

$salt = random_bytes(16);
$groupKey = random_bytes(32);
$grants = [];
foreach ($plain['grants'] as $grant) {
    $qr = pass(instant($grant['windows'][0][0]), instant($grant['windows'][0][1]), $plain['version'], $groupKey);
    fwrite(STDERR, "{$grant['id']}  " . 'ZS1:' . base32($qr) . "\n");
    $grants[] = [
        'id' => $grant['id'],
        'kind' => $grant['kind'],
        'active' => $grant['active'],
        'windows' => array_map(fn($window) => array_map('instant', $window), $grant['windows']),
        'max_uses' => null,
        'offline_ok' => false,
        'pins' => array_map(fn($pin, $n) => ["pin-$n", verifier($pin, $salt), false], $grant['pins'], array_keys($grant['pins'])),
        'qrs' => [[bin2hex(substr($qr, 1, 5)), b64(substr(hash('sha256', 'zs-qr' . $qr, true), 0, 16))]],
    ];
}
$payload = json_encode([
    'door' => $plain['door'],
    'epoch' => $plain['epoch'],
    'version' => $plain['version'],
    'issued' => instant($plain['issued']),
    'refresh_after' => instant($plain['refresh_after']),
    'valid_until' => instant($plain['valid_until']),
    'shrink' => false,
    'policy' => $plain['policy'],
    'posture' => null,
    'pin_kdf' => ['name' => 'argon2id', 'salt' => b64($salt), 'memory_kib' => 19456, 'iterations' => 2, 'lanes' => 1],
    'grants' => $grants,
    'closures' => [],
    'pass_keys' => [['room', b64($groupKey)]],
], JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR);
echo encrypt(seal($payload, 'zs-list-1', $signer), 'zs-list-1', $reader);

function instant(string $text): int
{
    return (new DateTimeImmutable($text))->getTimestamp();
}

function b64(string $bytes): string
{
    return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
}

function unb64(string $text): string
{
    return base64_decode(strtr($text, '-_', '+/'), true);
}

function verifier(string $pin, string $salt): string
{
    return b64(sodium_crypto_pwhash(32, $pin, $salt, 2, 19456 * 1024, SODIUM_CRYPTO_PWHASH_ALG_ARGON2ID13));
}

/** The 35 bytes of a pass with one tag: id, start and length in minutes, statement number, tag. */
function pass(int $from, int $until, int $number, string $groupKey): string
{
    $head = "\x11" . random_bytes(5)
        . substr(pack('N', intdiv($from - 1704067200, 60)), 1) . pack('n', intdiv($until - $from, 60)) . pack('N', $number);
    return $head . substr(hash_hmac('sha256', "zs-pass-1\0" . $head, $groupKey, true), 0, 16) . "\0\0\0\0";
}

function base32(string $bytes): string
{
    $bits = '';
    foreach (str_split($bytes) as $byte) {
        $bits .= sprintf('%08b', ord($byte));
    }
    return implode('', array_map(fn($five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[bindec($five)], str_split($bits, 5)));
}

/** RFC 7638, the name of a key. */
function thumbprint(array $jwk): string
{
    $members = $jwk['kty'] === 'OKP' ? ['crv', 'kty', 'x'] : ['crv', 'kty', 'x', 'y'];
    $required = array_combine($members, array_map(fn($name) => $jwk[$name], $members));
    return b64(hash('sha256', json_encode($required, JSON_UNESCAPED_SLASHES), true));
}

function seal(string $payload, string $typ, array $jwk): string
{
    $ed = $jwk['kty'] === 'OKP';
    $protected = b64(json_encode(['alg' => $ed ? 'Ed25519' : 'ES256', 'kid' => thumbprint($jwk), 'typ' => $typ]));
    $signed = $protected . '.' . b64($payload);
    if ($ed) {
        $signature = sodium_crypto_sign_detached($signed, unb64($jwk['d']) . unb64($jwk['x']));
    } else {
        openssl_sign($signed, $der, openssl_pkey_get_private(privatePem($jwk)), OPENSSL_ALGO_SHA256);
        $signature = sideBySide($der);
    }
    return json_encode(['payload' => b64($payload), 'protected' => $protected, 'signature' => b64($signature)]);
}

/** OpenSSL gives SEQUENCE { INTEGER r, INTEGER s }; a JWS wants 32 bytes each. */
function sideBySide(string $der): string
{
    $at = 2;
    $out = '';
    for ($part = 0; $part < 2; $part++) {
        $length = ord($der[$at + 1]);
        $out .= str_pad(ltrim(substr($der, $at + 2, $length), "\0"), 32, "\0", STR_PAD_LEFT);
        $at += 2 + $length;
    }
    return $out;
}

function encrypt(string $content, string $typ, array $reader): string
{
    if ($reader['kty'] === 'OKP') {
        $secret = random_bytes(32);
        $epk = ['crv' => 'X25519', 'kty' => 'OKP', 'x' => b64(sodium_crypto_scalarmult_base($secret))];
        $agreed = sodium_crypto_scalarmult($secret, unb64($reader['x']));
    } else {
        $made = openssl_pkey_new(['private_key_type' => OPENSSL_KEYTYPE_EC, 'curve_name' => 'prime256v1']);
        $point = openssl_pkey_get_details($made)['ec'];
        $epk = ['crv' => 'P-256', 'kty' => 'EC', 'x' => b64(padded($point['x'])), 'y' => b64(padded($point['y']))];
        $agreed = padded(openssl_pkey_derive(openssl_pkey_get_public(publicPem($reader)), $made));
    }
    $header = ['alg' => 'ECDH-ES', 'enc' => 'A256GCM', 'epk' => $epk, 'kid' => thumbprint($reader), 'typ' => $typ];
    $protected = b64(json_encode($header));
    $key = hash('sha256', pack('N', 1) . $agreed . pack('N', 7) . 'A256GCM' . pack('NNN', 0, 0, 256), true);
    $iv = random_bytes(12);
    $sealed = openssl_encrypt($content, 'aes-256-gcm', $key, OPENSSL_RAW_DATA, $iv, $tag, $protected, 16);
    return implode('.', [$protected, '', b64($iv), b64($sealed), b64($tag)]);
}

function padded(string $number): string
{
    return str_pad($number, 32, "\0", STR_PAD_LEFT);
}

/** SEC 1 and SubjectPublicKeyInfo of P-256 are fixed bytes around d, x and y. */
function privatePem(array $jwk): string
{
    $der = hex2bin('30770201010420') . unb64($jwk['d']) . hex2bin('a00a06082a8648ce3d030107a144034200') . point($jwk);
    return "-----BEGIN EC PRIVATE KEY-----\n" . chunk_split(base64_encode($der), 64) . "-----END EC PRIVATE KEY-----\n";
}

function publicPem(array $jwk): string
{
    $der = hex2bin('3059301306072a8648ce3d020106082a8648ce3d030107034200') . point($jwk);
    return "-----BEGIN PUBLIC KEY-----\n" . chunk_split(base64_encode($der), 64) . "-----END PUBLIC KEY-----\n";
}

function point(array $jwk): string
{
    return "\x04" . unb64($jwk['x']) . unb64($jwk['y']);
}
