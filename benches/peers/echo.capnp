@0xb2c3f0a1d4e59687;

interface Echo {
    echo @0 (number :UInt64, body :Data) -> (number :UInt64, body :Data);
}
