public enum Cryptography {}
