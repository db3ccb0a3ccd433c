"""Known answers, as they were published."""

x = bytes.fromhex

GCM_PLAIN = x(
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255"
)

GCM = [
    ("00" * 16, "00" * 12, bytes(16), "0388dace60b6a392f328c2b971b2fe78"),
    ("00" * 32, "00" * 12, bytes(16), "cea7403d4d606b6e074ec5d3baf39d18"),
    (
        "feffe9928665731c6d6a8f9467308308",
        "cafebabefacedbaddecaf888",
        GCM_PLAIN,
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
        "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985",
    ),
    (
        "feffe9928665731c6d6a8f9467308308" * 2,
        "cafebabefacedbaddecaf888",
        GCM_PLAIN,
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
    ),
]
"""Cases 2, 14, 3 and 15 of the mode's own specification: key, IV, plain, sealed.

None of these authenticates 4 bytes beside what is encrypted, so the tags are left out: what OpenSSH
has sealed has them (see test_protection.test_openssh).
"""

CHACHA20_POLY1305 = [
    (  # draft-ietf-sshm-chacha20-poly1305, the example
        "8bbff6855fc102338c373e73aac0c914f076a905b2444a32eecaffeae22becc5"
        "e9b7a7a5825a8249346ec1c28301cf394543fc7569887d76e168f37562ac0740",
        7,
        "00000048065e00000000000000384c6f72656d20697073756d20646f6c6f7220"
        "73697420616d65742c20636f6e7365637465747572206164697069736963696e"
        "6720656c69744e43e804dc6c",
        "2c3ecce4a5bc05895bf07a7ba956b6c68829ac7c83b780b7000ecde745afc705"
        "bbc378ce03a280236b87b53bed5839662302b164b6286a48cd1e097138e3cb90"
        "9b8b2b829dd18d2a35ff82d995349e855bf02c298ef775f2d1a7e8b8",
    ),
    (  # the vector of AWS-LC
        "247a041f6780baf0de3741aa4436024b6a5169b0eab8a090a291f5900bf566a5"
        "4ac2c64c0f38cab14a143111bc39d1873013f52f2e92062e375c1a5378ad9b32",
        94,
        "000000100f000000000000000000000000000000",
        "c87186a24d89e672f37df98a95d0a0653e9f0fe4075bc727e855c8d487bb3060c42267cd",
    ),
]
"""Packets: key, number, plain, sealed."""

CTR_IV = x("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
CTR_PLAIN = x(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)

CTR = [
    (
        "2b7e151628aed2a6abf7158809cf4f3c",
        "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
        "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
    ),
    (
        "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
        "1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e94"
        "1e36b26bd1ebc670d1bd1d665620abf74f78a7f6d29809585a97daec58c6b050",
    ),
    (
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
        "2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
    ),
]
"""SP 800-38A, F.5: key, sealed; the plain text is above."""

HMAC = [
    ("sha256", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (
        "sha512",
        "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
        "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
    ),
]
"""RFC 4231, case 1: digest, MAC."""

CBC_IV = bytes(range(16))
CBC = [
    (
        "2b7e151628aed2a6abf7158809cf4f3c",
        "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
        "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
    ),
    (
        "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
        "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a"
        "571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd",
    ),
    (
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
        "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
    ),
]
"""SP 800-38A, F.2: key, sealed; the plain text is that of counter mode."""

TRIPLE_DES = (
    "0123456789abcdef23456789abcdef01456789abcdef0123",
    [
        ("5468652071756663", "a826fd8ce53b855f"),
        ("6b2062726f776e20", "cce21c8112256fe6"),
        ("666f78206a756d70", "68d5c05dd9b6b900"),
    ],
)
"""SP 800-67, B.1: key, and blocks that are not chained: plain, sealed."""

OLD_HMAC = [
    ("md5", "0b" * 16, "9294727a3638bb1c13f48ef8158bfc9d"),
    ("sha1", "0b" * 20, "b617318655057264e28bc0b6fb378c8ef146be00"),
]
"""RFC 2202, case 1 of each: digest, key, MAC."""
