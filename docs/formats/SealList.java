// Signs a list's payload and encrypts it to the door, with nothing but the JDK (17 or newer).
//
//     java SealList.java list.jwk door.pub.jwk < payload.json > list.jwe
//
// list.jwk is Ed25519 or P-256, door.pub.jwk X25519 or P-256. The payload is ordinary JSON (formats/README.md); the JDK
// has no Argon2 for its PIN verifiers, Bouncy Castle's Argon2BytesGenerator does it.

import java.io.IOException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.AlgorithmParameters;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.interfaces.ECPublicKey;
import java.security.interfaces.XECPublicKey;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPrivateKeySpec;
import java.security.spec.ECPublicKeySpec;
import java.security.spec.EdECPrivateKeySpec;
import java.security.spec.NamedParameterSpec;
import java.security.spec.XECPublicKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.Cipher;
import javax.crypto.KeyAgreement;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;

public class SealList {
    static final String TYP = "zs-list-1";

    /** The text members of a JWK; a real program has a JSON library. */
    record Jwk(String file) {
        String get(String name) {
            Matcher found = Pattern.compile("\"" + name + "\"\\s*:\\s*\"([^\"]*)\"").matcher(file);
            return found.find() ? found.group(1) : null;
        }

        boolean okp() {
            return get("kty").equals("OKP");
        }

        /** RFC 7638: SHA-256 over the required members, sorted, without white space. */
        String thumbprint() throws GeneralSecurityException {
            return b64(sha256(required()));
        }

        String required() {
            String most = "{\"crv\":\"" + get("crv") + "\",\"kty\":\"" + get("kty") + "\",\"x\":\"" + get("x") + "\"";
            return most + (okp() ? "}" : ",\"y\":\"" + get("y") + "\"}");
        }
    }

    public static void main(String[] files) throws IOException, GeneralSecurityException {
        Jwk signer = new Jwk(Files.readString(Path.of(files[0])));
        Jwk reader = new Jwk(Files.readString(Path.of(files[1])));
        System.out.print(encrypt(seal(System.in.readAllBytes(), signer), reader));
    }

    static String seal(byte[] payload, Jwk signer) throws GeneralSecurityException {
        String alg = signer.okp() ? "Ed25519" : "ES256";
        String head = b64("{\"alg\":\"" + alg + "\",\"kid\":\"" + signer.thumbprint() + "\",\"typ\":\"" + TYP + "\"}");
        String body = b64(payload);
        // The JDK has a name for r and s side by side; its plain SHA256withECDSA gives DER, which no JWS takes.
        Signature signature = Signature.getInstance(signer.okp() ? "Ed25519" : "SHA256withECDSAinP1363Format");
        signature.initSign(privateKey(signer));
        signature.update(ascii(head + "." + body));
        String signed = b64(signature.sign());
        return "{\"payload\":\"" + body + "\",\"protected\":\"" + head + "\",\"signature\":\"" + signed + "\"}";
    }

    static String encrypt(String content, Jwk reader) throws GeneralSecurityException {
        KeyPairGenerator maker = KeyPairGenerator.getInstance(reader.okp() ? "X25519" : "EC");
        if (!reader.okp()) maker.initialize(new ECGenParameterSpec("secp256r1"));
        KeyPair made = maker.generateKeyPair();
        KeyAgreement agreement = KeyAgreement.getInstance(reader.okp() ? "X25519" : "ECDH");
        agreement.init(made.getPrivate());
        agreement.doPhase(publicKey(reader), true);
        byte[] agreed = agreement.generateSecret();

        String epk = jwk(made.getPublic());
        String head = b64("{\"alg\":\"ECDH-ES\",\"enc\":\"A256GCM\",\"epk\":" + epk + ",\"kid\":\"" + reader.thumbprint()
                + "\",\"typ\":\"" + TYP + "\"}");
        ByteBuffer kdf = ByteBuffer.allocate(4 + agreed.length + 4 + 7 + 12);
        kdf.putInt(1).put(agreed).putInt(7).put(ascii("A256GCM")).putInt(0).putInt(0).putInt(256);
        byte[] key = MessageDigest.getInstance("SHA-256").digest(kdf.array());
        byte[] iv = new byte[12];
        new SecureRandom().nextBytes(iv);
        Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
        cipher.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(key, "AES"), new GCMParameterSpec(128, iv));
        cipher.updateAAD(ascii(head));
        byte[] sealed = cipher.doFinal(content.getBytes(StandardCharsets.UTF_8));
        int end = sealed.length - 16; // the JDK puts the tag behind the ciphertext
        return String.join(".", head, "", b64(iv), b64(Arrays.copyOf(sealed, end)),
                b64(Arrays.copyOfRange(sealed, end, sealed.length)));
    }

    static PrivateKey privateKey(Jwk jwk) throws GeneralSecurityException {
        byte[] secret = Base64.getUrlDecoder().decode(jwk.get("d"));
        if (jwk.okp())
            return KeyFactory.getInstance("Ed25519")
                    .generatePrivate(new EdECPrivateKeySpec(NamedParameterSpec.ED25519, secret));
        return KeyFactory.getInstance("EC").generatePrivate(new ECPrivateKeySpec(new BigInteger(1, secret), p256()));
    }

    static PublicKey publicKey(Jwk jwk) throws GeneralSecurityException {
        byte[] x = Base64.getUrlDecoder().decode(jwk.get("x"));
        if (jwk.okp()) // X25519 is little-endian, BigInteger is not
            return KeyFactory.getInstance("X25519")
                    .generatePublic(new XECPublicKeySpec(NamedParameterSpec.X25519, new BigInteger(1, reversed(x))));
        ECPoint point = new ECPoint(new BigInteger(1, x), new BigInteger(1, Base64.getUrlDecoder().decode(jwk.get("y"))));
        return KeyFactory.getInstance("EC").generatePublic(new ECPublicKeySpec(point, p256()));
    }

    static String jwk(PublicKey key) {
        if (key instanceof XECPublicKey made)
            return "{\"crv\":\"X25519\",\"kty\":\"OKP\",\"x\":\"" + b64(reversed(bytes32(made.getU()))) + "\"}";
        ECPoint point = ((ECPublicKey) key).getW();
        return "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"" + b64(bytes32(point.getAffineX())) + "\",\"y\":\""
                + b64(bytes32(point.getAffineY())) + "\"}";
    }

    static ECParameterSpec p256() throws GeneralSecurityException {
        AlgorithmParameters parameters = AlgorithmParameters.getInstance("EC");
        parameters.init(new ECGenParameterSpec("secp256r1"));
        return parameters.getParameterSpec(ECParameterSpec.class);
    }

    /** 32 bytes, big-endian: BigInteger drops leading zeros and adds a sign byte. */
    static byte[] bytes32(BigInteger number) {
        byte[] bytes = number.toByteArray(), out = new byte[32];
        int length = Math.min(32, bytes.length);
        System.arraycopy(bytes, bytes.length - length, out, 32 - length, length);
        return out;
    }

    static byte[] reversed(byte[] bytes) {
        byte[] out = new byte[bytes.length];
        for (int at = 0; at < bytes.length; at++) out[at] = bytes[bytes.length - 1 - at];
        return out;
    }

    static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    static byte[] sha256(String text) throws GeneralSecurityException {
        return MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
    }

    static String b64(String text) {
        return b64(text.getBytes(StandardCharsets.UTF_8));
    }

    static String b64(byte[] bytes) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    }
}
