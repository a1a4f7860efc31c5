"""A /sys, /proc and /etc of a test's own."""

from pathlib import Path

KEYBOARD = """I: Bus=0003 Vendor=046d Product=c31c Version=0110
N: Name="Logitech USB Keyboard"
P: Phys=usb-0000:01:00.0-1.1/input0
H: Handlers=sysrq kbd event0 leds
B: EV=120013
B: KEY=1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe
"""
POWER_BUTTON = """I: Bus=0019 Vendor=0001 Product=0001 Version=0100
N: Name="pwr_button"
H: Handlers=kbd event1
B: EV=3
B: KEY=10000000000000 0
"""


def healthy(root: Path) -> Path:
    """A Raspberry Pi with nothing to complain about."""
    files = {
        "sys/module/pinctrl_bcm2835/parameters/persist_gpio_outputs": "N\n",
        "sys/class/rtc/rtc0/since_epoch": "1795310000\n",
        "sys/class/rtc/rtc0/name": "rtc-ds1307 1-0068\n",
        "sys/bus/usb/devices/usb1/authorized_default": "0\n",
        "sys/fs/ext4/mmcblk0p2/errors_count": "0\n",
        "proc/bus/input/devices": POWER_BUTTON,
        "etc/overlayroot.local.conf": '# why\noverlayroot="tmpfs:swap=0,recurse=0"\n',
        "proc/self/mounts": "overlayroot / overlay rw,lowerdir=/media/root-ro 0 0\n",
        "etc/passwd": "root:x:0:0::/:/bin/bash\nbeheer:x:1000:1000::/:/bin/bash\n",
    }
    for path, text in files.items():
        put(root, path, text)
    return root


def put(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)
