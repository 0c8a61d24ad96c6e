"""Tiny guests that print one byte on the first serial port, to prove that an accelerator runs guests.

x86_64: a boot sector that goes all the way to 64-bit mode with paging and prints from there. Real mode alone would
prove little, for an emulated real mode beside a broken long mode exists.

        cli; xor %ax,%ax; mov %ax,%ds; mov %ax,%es
        mov $0x1000,%di; mov $0x1800,%cx; xor %ax,%ax; rep stosw      clear the page tables
        movw $0x2003,0x1000; movw $0x3003,0x2000; movw $0x83,0x3000   map the first 2 MiB to themselves
        mov $0x1000,%eax; mov %eax,%cr3
        mov %cr4,%eax; or $0x20,%eax; mov %eax,%cr4                   PAE
        mov $0xC0000080,%ecx; rdmsr; or $0x100,%eax; wrmsr            EFER.LME
        mov %cr0,%eax; or $0x80000001,%eax; mov %eax,%cr0             paging, protected mode
        lgdt gdtr; ljmp $8,$long
    long: mov $0x3f8,%dx; mov $'F',%al; out %al,%dx; 1: hlt; jmp 1b
    gdt:  .quad 0, 0x00209A0000000000; gdtr: .word 15; .long gdt

aarch64: code at the start of the flash of the `virt` machine, whose PL011 is at 0x09000000.

        movz x0,#0x900,lsl #16; movz w1,#'F'; strb w1,[x0]; 1: b 1b
"""

from __future__ import annotations

import struct
from pathlib import Path

SIGN = b"F"

_X86 = bytes.fromhex(
    "fa31c08ed88ec0bf0010b9001831c0f3abc70600100320c70600200330c7060030830066b8001000000f22d80f20e06683c8200f22e0"
    "66b9800000c00f32660d000100000f300f20c0660d010000800f22c00f0116787cea5c7c080066baf803b046eef4ebfd669000000000"
    "0000000000000000009a20000f00687c0000"
)
_ARM = struct.pack("<4I", 0xD2A12000, 0x528008C1, 0x39000001, 0x14000000)


def write_guest(arch: str, file: Path) -> list[str]:
    """Write the guest for `arch` into `file`; returns the arguments with which QEMU runs it."""
    if arch == "aarch64":
        file.write_bytes(_ARM)
        return ["-bios", str(file)]
    file.write_bytes(_X86.ljust(510, b"\0") + b"\x55\xaa" + bytes((1 << 20) - 512))
    return ["-drive", f"if=none,id=root,format=raw,file={file}", "-device", "virtio-blk-pci,drive=root,bootindex=1"]
